package devidp

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"sync"
	"time"
)

// family is everything born of one authorization: it is taken back together.
// The grants' lock guards it.
type family struct{ revoked bool }

// grant is what a user let a client have.
type grant struct {
	family   *family
	mount    *Mount
	issuer   string
	clientID string
	sub      string
	scopes   []string
	nonce    string // empty in a refresh: OpenID Connect Core 12.2
	acr      string
	authTime time.Time
	sid      string // "" = no browser session, as with the password grant
	offline  bool   // survives the end of the session
}

// code is an authorization code (RFC 6749 section 4.1.2).
type code struct {
	*grant
	redirectURI   string
	redirectGiven bool
	challenge     string // S256; "" = none was sent
	expires       time.Time
	spent         bool
}

// bearer is an access or a refresh token.
type bearer struct {
	*grant
	issued  time.Time
	expires time.Time
	spent   bool // a rotated refresh token
}

// session is a user signed in here with one browser, in one realm.
type session struct {
	sid      string
	realm    string
	sub      string
	authTime time.Time
	expires  time.Time
	clients  map[string]string // client id → issuer it knows us by
}

func (s *session) clone() session {
	out := *s
	out.clients = maps.Clone(s.clients)
	return out
}

// Stats counts what happened, for tests that must not miss a second use.
type Stats struct {
	Logins         int // a person clicked, AutoLogin did, or a password was right
	Codes          int // codes handed out
	CodesReused    int // codes shown a second time
	Tokens         int // successful token answers
	RefreshReused  int // rotated refresh tokens shown again
	RefreshAnswers int // of Tokens, those for a refresh token
}

// grants remembers everything that was handed out. Tokens are kept by their
// SHA-256, from habit rather than need.
type grants struct {
	now func() time.Time

	mu       sync.Mutex
	stats    Stats
	sessions map[string]*session // by cookie
	pending  map[string]*pending // pages that wait for a click
	codes    map[string]*code
	access   map[string]*bearer
	refresh  map[string]*bearer
	writes   int
}

func newGrants(now func() time.Time) *grants {
	return &grants{
		now: now, sessions: map[string]*session{}, pending: map[string]*pending{},
		codes: map[string]*code{}, access: map[string]*bearer{}, refresh: map[string]*bearer{},
	}
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// sweep forgets what has expired, once in 256 writes. The caller holds mu.
func (g *grants) sweep() {
	if g.writes++; g.writes%256 != 0 {
		return
	}
	now := g.now()
	maps.DeleteFunc(g.sessions, func(_ string, s *session) bool { return now.After(s.expires) })
	maps.DeleteFunc(g.pending, func(_ string, p *pending) bool { return now.After(p.expires) })
	// A spent code is remembered a little longer, so that a second use is noticed.
	maps.DeleteFunc(g.codes, func(_ string, c *code) bool { return now.After(c.expires.Add(10 * time.Minute)) })
	for _, tokens := range []map[string]*bearer{g.access, g.refresh} {
		maps.DeleteFunc(tokens, func(_ string, b *bearer) bool { return b.family.revoked || now.After(b.expires) })
	}
}

func (g *grants) count(count func(*Stats)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	count(&g.stats)
}

func (g *grants) addCode(c *code) string {
	id := randomID()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	g.codes[digest(id)] = c
	g.stats.Codes++
	return id
}

// spendCode takes a code for its single use. A second use takes back all tokens
// that the first one brought (RFC 6749 section 4.1.2). fits is asked under the
// lock and before the code counts as spent, so a stranger's try does not burn it.
func (g *grants) spendCode(id string, fits func(*code) *oauthError) (*code, *oauthError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.codes[digest(id)]
	if !ok {
		return nil, badRequest("invalid_grant", "the code is not known")
	}
	if c.spent {
		g.stats.CodesReused++
		c.family.revoked = true
		return nil, badRequest("invalid_grant", "the code was used before; all its tokens are revoked")
	}
	if g.now().After(c.expires) {
		return nil, badRequest("invalid_grant", "the code has expired")
	}
	if err := fits(c); err != nil {
		return nil, err
	}
	c.spent = true
	return c, nil
}

func (g *grants) addAccess(token string, gr *grant, life time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	g.access[digest(token)] = &bearer{grant: gr, issued: g.now(), expires: g.now().Add(life)}
}

func (g *grants) addRefresh(gr *grant, life time.Duration) string {
	token := randomID()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	g.refresh[digest(token)] = &bearer{grant: gr, issued: g.now(), expires: g.now().Add(life)}
	return token
}

// spendRefresh takes a refresh token, for good if rotate. One that was spent
// before takes its whole family down (RFC 9700 section 4.14.2).
func (g *grants) spendRefresh(token string, rotate bool, fits func(*grant) *oauthError) (*grant, *oauthError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	b, ok := g.refresh[digest(token)]
	if !ok || b.family.revoked || g.now().After(b.expires) {
		return nil, badRequest("invalid_grant", "the refresh token is not known, has expired or was revoked")
	}
	if err := fits(b.grant); err != nil {
		return nil, err
	}
	if b.spent {
		g.stats.RefreshReused++
		b.family.revoked = true
		return nil, badRequest("invalid_grant", "the refresh token was used before; all its tokens are revoked")
	}
	b.spent = rotate
	return b.grant, nil
}

// lookup finds a live token among access and refresh tokens.
func (g *grants) lookup(token string) (b bearer, isRefresh, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.access[digest(token)]
	if !ok {
		found, ok = g.refresh[digest(token)]
		isRefresh = ok
	}
	if !ok || found.spent || found.family.revoked || g.now().After(found.expires) {
		return bearer{}, false, false
	}
	return *found, isRefresh, true
}

// accessGrant finds the grant of a live access token.
func (g *grants) accessGrant(token string) (*grant, bool) {
	b, isRefresh, ok := g.lookup(token)
	return b.grant, ok && !isRefresh
}

// dropWhere takes back all families of which a token matches. The caller holds mu.
func (g *grants) dropWhere(which func(*grant) bool) {
	for _, tokens := range []map[string]*bearer{g.access, g.refresh} {
		for _, b := range tokens {
			if which(b.grant) {
				b.family.revoked = true
			}
		}
	}
}

// revokeToken ends a token of a client: a refresh token with its whole family,
// an access token alone (RFC 7009 section 2.1).
func (g *grants) revokeToken(token, clientID string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := digest(token)
	if b, ok := g.refresh[key]; ok && b.clientID == clientID {
		b.family.revoked = true
	}
	if b, ok := g.access[key]; ok && b.clientID == clientID {
		delete(g.access, key)
	}
}

func (g *grants) addPending(p *pending) string {
	id := randomID()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	g.pending[id] = p
	return id
}

// takePending finds a page that still waits; it waits no more.
func (g *grants) takePending(id string) (*pending, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.pending[id]
	delete(g.pending, id)
	return p, ok && !g.now().After(p.expires)
}

func (g *grants) addSession(s session) string {
	cookie := randomID()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	s = s.clone()
	g.sessions[digest(cookie)] = &s
	g.stats.Logins++
	return cookie
}

// sessionOf finds the live session of a cookie in one realm: a copy.
func (g *grants) sessionOf(cookie, realm string) (session, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, ok := g.sessions[digest(cookie)]
	if !ok || s.realm != realm || g.now().After(s.expires) {
		return session{}, false
	}
	return s.clone(), true
}

// dropSession forgets a browser's session without touching its tokens.
func (g *grants) dropSession(cookie string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, digest(cookie))
}

// joinSession notes that a client took part, so that it hears of the logout.
func (g *grants) joinSession(sid, clientID, issuer string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.sessions {
		if s.sid == sid {
			s.clients[clientID] = issuer
		}
	}
}

// endSessions ends sessions and the tokens that hang on them, but not the ones
// for offline access. It returns the sessions as they were, with their clients.
func (g *grants) endSessions(which func(session) bool) []session {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ended []session
	for key, s := range g.sessions {
		if which(*s) {
			delete(g.sessions, key)
			ended = append(ended, s.clone())
			g.dropWhere(func(gr *grant) bool { return gr.sid == s.sid && !gr.offline })
		}
	}
	return ended
}

// RevokeUser ends everything of a user: sessions here, codes, access and refresh
// tokens. Clients notice at their next refresh, userinfo call or login.
func (s *Server) RevokeUser(sub string) {
	g := s.grants
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.sessions, func(_ string, s *session) bool { return s.sub == sub })
	maps.DeleteFunc(g.codes, func(_ string, c *code) bool { return c.sub == sub })
	g.dropWhere(func(gr *grant) bool { return gr.sub == sub })
}

// Stats are the counts since Start.
func (s *Server) Stats() Stats {
	s.grants.mu.Lock()
	defer s.grants.mu.Unlock()
	return s.grants.stats
}
