package devstack

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/xencrm/xencrm/internal/errs"
)

// Env returns the addresses under the names by which XenCRM takes them. Unknown ones are left out.
func (s *Stack) Env() map[string]string {
	env := map[string]string{
		"CUSTOMER_DATABASE_URL":   s.MasterURL,
		"CAMPAIGN_DATABASE_URL":   s.BusinessURL,
		"POSTGRES_ADMIN_URL":      s.AdminURL,
		"RABBITMQ_URL":            s.RabbitURL,
		"RABBITMQ_MANAGEMENT_URL": s.RabbitManagementURL,
		"TEMPORAL_ADDRESS":        s.TemporalAddress,
		"TEMPORAL_UI_URL":         s.TemporalUIURL,
	}
	maps.DeleteFunc(env, func(_, value string) bool { return value == "" })
	return env
}

// WriteEnv writes the addresses and extra, which wins, as sorted KEY=value lines. The file is
// replaced as a whole, and only its owner can read it: there are passwords in it.
func (s *Stack) WriteEnv(path string, extra map[string]string) error {
	env := s.Env()
	maps.Copy(env, extra)
	var text bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(env)) {
		if strings.ContainsAny(env[key], "\n\r") {
			return errs.Errorf(errs.Invalid, "the value of %s has more than one line", key)
		}
		fmt.Fprintf(&text, "%s=%s\n", key, env[key])
	}
	return writeFile(path, text.Bytes())
}

// ReadEnv reads a file that WriteEnv wrote.
func ReadEnv(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errs.Wrap(errs.NotFound, err, "read the addresses of the stack")
	}
	defer f.Close() //nolint:errcheck // Only read.
	env := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok {
			env[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "read the addresses of the stack")
	}
	return env, nil
}
