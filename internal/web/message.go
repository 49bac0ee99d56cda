package web

// Error says what went wrong and what to do now. Every text in it is the host's
// own fixed text; causes belong in the log, under the incident id.
type Error struct {
	Status     int    // HTTP status, shown small; 0: not shown
	Heading    string // "GitHub did not answer"; empty: a general one
	Message    string // one or two sentences; empty: a general one
	Incident   string // id to find the cause in the log; may be empty
	RetryHref  string // start again; empty: no button
	RetryLabel string // empty means "Try again"
	Home       string // quiet way out; empty: no link
}

func (Error) name() string { return "error" }

func (e Error) title(t texts, _ Site) string {
	if e.Heading != "" {
		return e.Heading
	}
	return t.SomethingWrong
}

// FormPost carries an answer to an application as a form
// (OAuth 2.0 Form Post Response Mode). Without script a page cannot post itself,
// so there is a button to press.
type FormPost struct {
	Action string      // the application's redirect_uri; its origin must be in the policy's form-action
	Values [][2]string // name and value of each hidden field, in this order
}

func (FormPost) name() string { return "form_post" }

func (FormPost) title(t texts, _ Site) string { return t.OneMoreStep }

// Demo is the protected page of `authd demo`: what an application behind the
// forward-auth check learns about its visitor.
type Demo struct {
	Name        string   // of the person, from the headers
	Headers     []Header // identity headers as they arrived, in this order
	AccountHref string   // empty: no link
	LogoutHref  string   // empty: no link
}

// Header is one HTTP header and its value.
type Header struct {
	Name, Value string
}

func (Demo) name() string { return "demo" }

func (Demo) title(t texts, _ Site) string { return t.ProtectedPage }

// Long reports whether the value is folded away at first: a signed JWT would
// push everything else off the screen.
func (h Header) Long() bool { return len(h.Value) > 160 }
