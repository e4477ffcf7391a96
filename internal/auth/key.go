package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	// KeyPrefix begins every API key, so that people and secret scanners know one when they see it.
	KeyPrefix = "xcrm_"
	// keyIDBytes: 8 random bytes do not collide among the keys that one installation will ever make.
	keyIDBytes = 8
	// keySecretBytes: 256 bits cannot be guessed, with or without the stored hash.
	keySecretBytes = 32
	// keySumDigits is the length of the checksum in hexadecimal digits.
	keySumDigits = 8
	// keyIDDigits and keyTailDigits are the lengths of the two parts, in hexadecimal digits.
	keyIDDigits   = 2 * keyIDBytes
	keyTailDigits = 2*keySecretBytes + keySumDigits
)

// Key is an API key in the clear: xcrm_<id>_<secret><checksum>, all in lower-case hexadecimal digits.
// It is shown once, when it is made, and never stored. It prints and logs without its secret.
type Key struct{ id, secret string }

// NewKey makes a key from fresh random bytes.
func NewKey() Key {
	random := make([]byte, keyIDBytes+keySecretBytes)
	rand.Read(random) // it never fails: the program ends if the system has no entropy
	return Key{id: hex.EncodeToString(random[:keyIDBytes]), secret: hex.EncodeToString(random[keyIDBytes:])}
}

// ParseKey reads a key. The checksum refuses typing errors and cut-off keys before anybody asks the
// store; it proves nothing else.
func ParseKey(text string) (Key, error) {
	bad := errs.Errorf(errs.Unauthorized, "the API key is not well-formed: copy it again, whole")
	rest, ok := strings.CutPrefix(text, KeyPrefix)
	if !ok {
		return Key{}, bad
	}
	id, tail, ok := strings.Cut(rest, "_")
	if !ok || len(id) != keyIDDigits || len(tail) != keyTailDigits || !lowerHex(id) || !lowerHex(tail) {
		return Key{}, bad
	}
	k := Key{id: id, secret: tail[:len(tail)-keySumDigits]}
	if k.Reveal() != text {
		return Key{}, bad
	}
	return k, nil
}

// ID names the key in the store, in lists and in logs; it is not secret.
func (k Key) ID() string { return k.id }

// Hash is what the store keeps of the secret. A slow hash protects what people choose, because that
// can be guessed; this secret has 256 random bits, which no number of tries will find, so one round of
// SHA-256 is enough and costs a request nothing.
func (k Key) Hash() Hash { return sha256.Sum256([]byte(k.secret)) }

// Reveal gives the whole key, for the one answer that shows it.
func (k Key) Reveal() string {
	body := KeyPrefix + k.id + "_" + k.secret
	return body + fmt.Sprintf("%0*x", keySumDigits, crc32.ChecksumIEEE([]byte(body)))
}

// String hides the secret from fmt.
func (k Key) String() string { return KeyPrefix + k.id + "_" + withheld }

// GoString hides the secret from %#v.
func (k Key) GoString() string { return k.String() }

// LogValue hides the secret from slog.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

func lowerHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
