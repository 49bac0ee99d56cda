package providertest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// shortestSecret is the length below which a value is too common to be looked for.
const shortestSecret = 6

// witness remembers each secret that was handed to the provider or came from it, and each text that came out.
type witness struct {
	mu      sync.Mutex
	secrets map[string]string           // value → what it is
	texts   map[string]*strings.Builder // where → what was said there
}

func newWitness() *witness {
	return &witness{secrets: map[string]string{}, texts: map[string]*strings.Builder{}}
}

// secret remembers a value that must appear in no text.
func (w *witness) secret(what, value string) {
	if len(value) < shortestSecret {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets[value] = what
}

// heard remembers a text that reaches a log.
func (w *witness) heard(where, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.texts[where] == nil {
		w.texts[where] = &strings.Builder{}
	}
	w.texts[where].WriteString(text + "\n")
}

// leaks names each kind of secret that is in a text, and where.
func (w *witness) leaks() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[string]bool{}
	for value, what := range w.secrets {
		for where, text := range w.texts {
			if form := spelling(text.String(), value); form != "" {
				found[fmt.Sprintf("the %s is in %s%s; take it out: what is printed stays", what, where, form)] = true
			}
		}
	}
	var faults []error
	for _, fault := range slices.Sorted(maps.Keys(found)) {
		faults = append(faults, errors.New(fault))
	}
	return errors.Join(faults...)
}

// spelling tells in which form a value is in a text; "" = in none.
func spelling(text, value string) string {
	raw := []byte(value)
	for _, form := range []struct{ name, value string }{
		{" as it is", value},
		{" in the encoding of URLs", url.QueryEscape(value)},
		{" in base64", base64.StdEncoding.EncodeToString(raw)},
		{" in base64", base64.RawURLEncoding.EncodeToString(raw)},
	} {
		if strings.Contains(text, form.value) {
			return form.name
		}
	}
	return ""
}

// transcript is what a provider writes. It keeps the first mebibytes, and may be read while it grows.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

const maxTranscript = 8 << 20

// Write implements io.Writer; it never fails.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(p[:min(len(p), max(0, maxTranscript-t.text.Len()))])
	return len(p), nil
}

// String is what was written so far.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// tail is the end of it, for an error; of a panic, the beginning.
func (t *transcript) tail() string {
	const most = 600
	text := strings.TrimSpace(t.String())
	if i := strings.LastIndex("\n"+text, "\npanic: "); i >= 0 {
		return "its standard error ends: " + oneLine(text[i:min(len(text), i+most)])
	}
	if len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	if text == "" {
		return "it wrote nothing to standard error"
	}
	return "its standard error ends: " + oneLine(text)
}
