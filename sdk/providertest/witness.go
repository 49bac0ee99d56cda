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
	secrets map[string]string // value → what it is
	texts   []saying
}

type saying struct{ where, text string }

func newWitness() *witness { return &witness{secrets: map[string]string{}} }

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
	w.texts = append(w.texts, saying{where, text})
}

// leaks names each kind of secret that is in a text, and where.
func (w *witness) leaks() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[string]error{}
	for value, what := range w.secrets {
		for _, said := range w.texts {
			if form := spelling(said.text, value); form != "" {
				found[what+said.where] = fmt.Errorf("the %s is in %s%s; take it out: what is printed stays", what, said.where, form)
			}
		}
	}
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(found)) {
		faults = append(faults, found[key])
	}
	return errors.Join(faults...)
}

// spelling tells in which form a value is in a text; "" = in none.
func spelling(text, value string) string {
	for _, form := range []struct{ name, value string }{
		{" as it is", value},
		{" in the encoding of URLs", url.QueryEscape(value)},
		{" in base64", base64.StdEncoding.EncodeToString([]byte(value))},
		{" in base64", base64.RawURLEncoding.EncodeToString([]byte(value))},
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

// tail is the end of it, for an error.
func (t *transcript) tail() string {
	const most = 600
	text := strings.TrimSpace(t.String())
	if len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	if text == "" {
		return "it wrote nothing to standard error"
	}
	return "its standard error ends: " + oneLine(text)
}
