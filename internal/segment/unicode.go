package segment

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// hasLoneSurrogate reports whether JSON text escapes half of a surrogate pair. encoding/json
// would replace it silently, and the text would not come back as it was sent.
func hasLoneSurrogate(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		unit, ok := escapedUnit(raw[i:])
		if !ok {
			i++ // A two-character escape such as \\ or \".
			continue
		}
		i += 5
		if unit < 0xD800 || unit > 0xDFFF {
			continue
		}
		second, ok := escapedUnit(raw[i+1:])
		if unit >= 0xDC00 || !ok || second < 0xDC00 || second > 0xDFFF {
			return true
		}
		i += 6
	}
	return false
}

// escapedUnit reads a \uXXXX at the start of raw.
func escapedUnit(raw []byte) (uint64, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return unit, err == nil
}

// escapePointer makes a key that a client chose into one short reference token (RFC 6901).
func escapePointer(key string) string {
	const limit = 40
	if utf8.RuneCountInString(key) > limit {
		key = string([]rune(key)[:limit]) + "…"
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}
