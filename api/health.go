package api

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// checkTimeout bounds one look at the dependencies; load balancers ask every few seconds.
const checkTimeout = 2 * time.Second

const (
	checkOK          = "ok"
	checkUnavailable = "unavailable"
)

type health struct{ deps Deps }

// healthReport is the reference's shape. It is no problem when unhealthy, for who asks here reads
// these members.
type healthReport struct {
	Success   bool              `json:"success" doc:"Whether every dependency answers." example:"true"`
	Status    string            `json:"status" enum:"Healthy,Unhealthy" doc:"Healthy when every dependency answers." example:"Healthy"`
	Service   string            `json:"service" doc:"Always xencrm." example:"xencrm"`
	Timestamp instant           `json:"timestamp" doc:"When this was found." example:"2025-09-14T12:00:00.000Z"`
	Checks    map[string]string `json:"checks" doc:"The dependencies, each ok or unavailable."`
}

type healthOutput struct {
	Status int
	Body   healthReport
}

// report is the reference's route, which there said Healthy whatever had failed (D51).
func (h health) report(ctx context.Context, _ *struct{}) (*healthOutput, error) {
	checks, healthy := h.check(ctx)
	out := &healthOutput{Status: http.StatusOK, Body: healthReport{
		Success: healthy, Status: "Healthy", Service: "xencrm", Timestamp: instant{h.deps.Now()}, Checks: checks,
	}}
	if !healthy {
		out.Status, out.Body.Status = http.StatusServiceUnavailable, "Unhealthy"
	}
	return out, nil
}

type aliveReport struct {
	Success bool   `json:"success" doc:"Always true." example:"true"`
	Status  string `json:"status" doc:"Always alive." example:"alive"`
	Version string `json:"version" doc:"The build." example:"v1.2.3"`
}

// alive looks at nothing: a restart mends no dependency.
func (h health) alive(context.Context, *struct{}) (*reply[aliveReport], error) {
	return &reply[aliveReport]{Body: aliveReport{Success: true, Status: "alive", Version: h.deps.Version}}, nil
}

type readyReport struct {
	Success bool              `json:"success" doc:"Always true." example:"true"`
	Status  string            `json:"status" doc:"Always ready." example:"ready"`
	Checks  map[string]string `json:"checks" doc:"The dependencies, each ok."`
}

func (h health) ready(ctx context.Context, _ *struct{}) (*reply[readyReport], error) {
	checks, healthy := h.check(ctx)
	if !healthy {
		p := later(typeUnavailable, "A dependency does not answer; see checks")
		p.Checks = checks
		return nil, p
	}
	return &reply[readyReport]{Body: readyReport{Success: true, Status: "ready", Checks: checks}}, nil
}

// check asks every dependency at once, and reports whether all of them answer. Why one does not is
// not for this answer.
func (h health) check(ctx context.Context) (map[string]string, bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	checks, healthy := make(map[string]string, len(h.deps.Readiness)), true
	for name, ask := range h.deps.Readiness {
		wg.Go(func() {
			err := ask(ctx)
			mu.Lock()
			defer mu.Unlock()
			checks[name] = checkOK
			if err != nil {
				checks[name], healthy = checkUnavailable, false
			}
		})
	}
	wg.Wait()
	return checks, healthy
}
