package config

import "github.com/pelletier/go-toml/v2"

// ParseDocument reads a TOML document that need not be authd's own. It returns the tables, and the line of each key
// and table by its path ("auth.providers[0].client_id"). The error is a [*Faults] and shows nothing of the document.
func ParseDocument(name string, document []byte) (root map[string]any, lines map[string]int, err error) {
	if err := toml.Unmarshal(document, &root); err != nil {
		return nil, nil, &Faults{List: []Fault{syntaxFault(name, err)}}
	}
	return root, lineIndex(document), nil
}
