package userfile

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// MaxPassword is the length in bytes above which no password is looked at.
const MaxPassword = 1024

// Cost is what one argon2id hash takes (RFC 9106 section 3.1).
type Cost struct {
	// Memory in KiB, Time in passes over it, Threads in lanes.
	Memory, Time uint32
	Threads      uint8
}

// Recommended is the cost of new hashes: the memory and passes of RFC 9106 section 4, in one lane, since authd hashes
// for several people at once.
func Recommended() Cost { return Cost{Memory: 64 << 10, Time: 3, Threads: 1} }

// The bounds of a cost: below it guessing is cheap, above it a single line of a file could stop the machine.
const (
	minMemory, maxMemory   = 19 << 10, 256 << 10 // KiB
	minTime, maxTime       = 2, 16
	minThreads, maxThreads = 1, 16
)

const (
	saltBytes = 16
	sumBytes  = 32
)

// Password is the argon2id hash of a password.
type Password struct {
	cost      Cost
	salt, sum []byte
}

// NewPassword hashes a password with a fresh salt. It refuses a cost out of bounds.
func NewPassword(plain string, cost Cost) (Password, error) {
	if err := cost.check(); err != nil {
		return Password{}, err
	}
	p := Password{cost: cost, salt: make([]byte, saltBytes)}
	_, _ = rand.Read(p.salt) // it never fails
	p.sum = p.derive(plain, sumBytes)
	return p, nil
}

// derive hashes a password in the form in which equal ones have equal bytes (RFC 8265 section 4.2).
func (p Password) derive(plain string, length int) []byte {
	return argon2.IDKey(norm.NFC.Bytes([]byte(plain)), p.salt, p.cost.Time, p.cost.Memory, p.cost.Threads, uint32(length))
}

// Matches reports whether plain is the password. It takes as long and as much memory as the cost says.
func (p Password) Matches(plain string) bool {
	return len(p.sum) > 0 && subtle.ConstantTimeCompare(p.derive(plain, len(p.sum)), p.sum) == 1
}

// String returns the hash as it stands in a file: "$argon2id$v=19$m=65536,t=3,p=1$salt$hash".
func (p Password) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.cost.Memory, p.cost.Time, p.cost.Threads,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.sum))
}

// phc is the form of an argon2id hash, its parts in the order in which every tool writes them.
var phc = regexp.MustCompile(`\A\$argon2id\$v=([0-9]{1,3})\$m=([0-9]{1,9}),t=([0-9]{1,5}),p=([0-9]{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)\z`)

// ParsePassword reads a hash. No error repeats any of it.
func ParsePassword(text string) (Password, error) {
	parts := phc.FindStringSubmatch(text)
	if parts == nil {
		return Password{}, errors.New("is no argon2id hash such as $argon2id$v=19$m=65536,t=3,p=1$…$…; set one with authd user passwd")
	}
	if parts[1] != strconv.Itoa(argon2.Version) {
		return Password{}, fmt.Errorf("is of version %s of argon2, not %d; set it anew with authd user passwd", parts[1], argon2.Version)
	}
	var number [3]uint64
	for i := range number {
		number[i], _ = strconv.ParseUint(parts[i+2], 10, 32) // digits, few enough
	}
	if number[2] > maxThreads {
		number[2] = maxThreads + 1
	}
	p := Password{cost: Cost{Memory: uint32(number[0]), Time: uint32(number[1]), Threads: uint8(number[2])}}
	if err := p.cost.check(); err != nil {
		return Password{}, err
	}
	var saltErr, sumErr error
	p.salt, saltErr = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	p.sum, sumErr = base64.RawStdEncoding.Strict().DecodeString(parts[6])
	if saltErr != nil || sumErr != nil || len(p.salt) < 8 || len(p.salt) > 64 || len(p.sum) < 16 || len(p.sum) > 64 {
		return Password{}, errors.New("has a salt that is not of 8 to 64 bytes, or a hash that is not of 16 to 64; set it anew with authd user passwd")
	}
	return p, nil
}

func (c Cost) check() error {
	switch {
	case c.Memory < minMemory || c.Time < minTime || c.Threads < minThreads:
		return fmt.Errorf("is too cheap to guess (m=%d,t=%d,p=%d): at least m=%d,t=%d; set it anew with authd user passwd", c.Memory, c.Time, c.Threads, minMemory, minTime)
	case c.Memory > maxMemory || c.Time > maxTime || c.Threads > maxThreads:
		return fmt.Errorf("costs too much to check: at most m=%d,t=%d,p=%d; set it anew with authd user passwd", maxMemory, maxTime, maxThreads)
	}
	return nil
}
