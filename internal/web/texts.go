package web

// texts are the words of all pages in one language. A field whose comment
// shows %s or %d is a format.
type texts struct {
	Lang, Dir string // of <html>: "en", "ltr"
	DateTime  string // layout of package time; always given in UTC

	// Signing in.
	SignIn        string
	Continue      string // %s: label of a provider
	LeaveHint     string
	Or            string
	WithAccount   string // %s: label of a provider with a form
	Development   string
	Username      string
	Password      string
	Unavailable   string
	NothingHere   string
	AllOut        string
	ErrorPrefix   string
	SignInMethods string

	// Signing out.
	SignOut        string
	SignOutAsk     string
	SignedInAs     string // %s: name
	SignedInAsWith string // %s: name, %s: label of a provider
	SignOutHint    string
	Cancel         string
	SignedOut      string
	SignedOutHint  string
	// SignedOutEverywhere stands in the place of SignedOutHint when the provider said that it has ended its session too.
	SignedOutEverywhere string
	SignInAgain         string

	// The account page.
	YourAccount    string
	SignedInWith   string
	UserName       string
	Verified       string
	NotVerified    string
	Groups         string
	SignedInAt     string
	ExpiresAt      string
	Sessions       string
	SessionsHint   string
	ThisDevice     string
	UnknownBrowser string
	Address        string
	LastSeen       string
	Since          string
	EndSession     string // %s: browser
	JustNow        string
	MinutesAgo     string // %d
	HoursAgo       string // %d

	// The plain pages.
	SomethingWrong     string
	SomethingWrongHint string
	TryAgain           string
	ErrorNumber        string // %d: HTTP status
	Incident           string
	BackHome           string
	OneMoreStep        string
	FormPostHint       string
	GoOn               string
	ProtectedPage      string
	Hello              string // %s: name
	HelloNobody        string
	DemoHint           string
	Headers            string
	HeaderName         string
	HeaderValue        string
	ShowValue          string
	Empty              string
}

// english is the language that every other one is measured by.
var english = texts{
	Lang:     "en",
	Dir:      "ltr",
	DateTime: "2 Jan 2006, 15:04 UTC",

	SignIn:        "Sign in",
	Continue:      "Continue with %s",
	LeaveHint:     "Choose an account you already have.",
	Or:            "or",
	WithAccount:   "Sign in with %s",
	Development:   "For development only: type no password here that you use elsewhere.",
	Username:      "User name or e-mail",
	Password:      "Password",
	Unavailable:   "Unavailable right now",
	NothingHere:   "No way to sign in has been set up here yet. Please ask the administrator of this site.",
	AllOut:        "No way to sign in can be reached at the moment. Please try again in a minute.",
	ErrorPrefix:   "Error:",
	SignInMethods: "Ways to sign in",

	SignOut:             "Sign out",
	SignOutAsk:          "Sign out?",
	SignedInAs:          "You are signed in as %s.",
	SignedInAsWith:      "You are signed in as %s with %s.",
	SignOutHint:         "Applications that use this login will ask you to sign in again.",
	Cancel:              "Stay signed in",
	SignedOut:           "You are signed out",
	SignedOutEverywhere: "Here, and at the provider you used.",
	SignedOutHint:       "On a shared computer, close the browser too: you may still be signed in at the provider you used.",
	SignInAgain:         "Sign in again",

	YourAccount:    "Your account",
	SignedInWith:   "Signed in with",
	UserName:       "User name",
	Verified:       "Verified",
	NotVerified:    "Not verified",
	Groups:         "Groups",
	SignedInAt:     "Signed in",
	ExpiresAt:      "Session ends",
	Sessions:       "Where you are signed in",
	SessionsHint:   "End any session that you do not recognise.",
	ThisDevice:     "This device",
	UnknownBrowser: "Unknown browser",
	Address:        "Address",
	LastSeen:       "Last seen",
	Since:          "Since",
	EndSession:     "Sign out %s",
	JustNow:        "just now",
	MinutesAgo:     "%d min ago",
	HoursAgo:       "%d h ago",

	SomethingWrong:     "Something went wrong",
	SomethingWrongHint: "This did not work. Please try again.",
	TryAgain:           "Try again",
	ErrorNumber:        "Error %d",
	Incident:           "Incident",
	BackHome:           "Back to the start",
	OneMoreStep:        "One more step",
	FormPostHint:       "You are signed in. Continue to the application.",
	GoOn:               "Continue",
	ProtectedPage:      "Protected page",
	Hello:              "Hello, %s",
	HelloNobody:        "Hello",
	DemoHint:           "This page is protected. Its server has no login code: it only read the headers below, which were added after the check.",
	Headers:            "What the application received",
	HeaderName:         "Header",
	HeaderValue:        "Value",
	ShowValue:          "Show the whole value",
	Empty:              "empty",
}
