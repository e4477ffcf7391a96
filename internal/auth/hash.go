package auth

import (
	"crypto/sha256"
	"crypto/subtle"
)

// Hash is the SHA-256 of a secret that was drawn at random.
type Hash [sha256.Size]byte

// Equal compares in constant time, so that the answer's delay does not tell how much was right.
func (h Hash) Equal(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }
