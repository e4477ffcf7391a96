package devstack

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/xencrm/xencrm/internal/errs"
)

const (
	rabbitName = "rabbitmq"
	rabbitUser = "xencrm"
)

// rabbitServer runs one RabbitMQ node, and the Erlang port mapper without which it does not start.
type rabbitServer struct {
	st           *Stack
	script, epmd string
	dir          string
}

func (r *rabbitServer) title() string { return "RabbitMQ" }

func (r *rabbitServer) ports() Ports { return r.st.state.ports() }

func (r *rabbitServer) claim() error {
	return r.st.state.claim(r.title(),
		func(p *Ports) *int { return &p.Rabbit },
		func(p *Ports) *int { return &p.RabbitManagement },
		func(p *Ports) *int { return &p.RabbitDist },
		func(p *Ports) *int { return &p.Epmd },
	)
}

func (r *rabbitServer) prepare(context.Context) error {
	var err error
	if r.dir, err = r.st.place.own(rabbitName); err != nil {
		return err
	}
	for _, name := range []string{"home", "mnesia", "log", "generated"} {
		if _, err := r.st.place.own(rabbitName, name); err != nil {
			return err
		}
	}
	return nil
}

func (r *rabbitServer) path(elem ...string) string {
	return filepath.Join(append([]string{r.dir}, elem...)...)
}

// node is the node's name. The data belongs to it, so it follows from the directory and not from
// a port.
func (r *rabbitServer) node() string {
	sum := sha256.Sum256([]byte(r.dir))
	return "xencrm-" + hex.EncodeToString(sum[:4]) + "@localhost"
}

func (r *rabbitServer) launches() (launch, []launch, error) {
	if err := r.configure(); err != nil {
		return launch{}, nil, err
	}
	p := r.ports()
	erlang := r.erlang()
	env := serverEnv(append(erlang,
		"RABBITMQ_DIST_PORT="+strconv.Itoa(p.RabbitDist),
		"RABBITMQ_CONF_ENV_FILE=/dev/null", // not the machine's settings
		"RABBITMQ_CONFIG_FILE="+r.path("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE="+r.path("advanced.config"), // none, but not the machine's either
		"RABBITMQ_ENABLED_PLUGINS_FILE="+r.path("enabled_plugins"),
		"RABBITMQ_GENERATED_CONFIG_DIR="+r.path("generated"),
		"RABBITMQ_MNESIA_BASE="+r.path("mnesia"),
		"RABBITMQ_LOG_BASE="+r.path("log"),
		"RABBITMQ_PID_FILE="+r.path("pid"),
		// With it the script becomes the server instead of waiting for it, so that the pid that we
		// have is the server's. The server still gets no input: see -noinput.
		"RABBITMQ_ALLOW_INPUT=1",
		// Two schedulers, and none that spins while it waits: our own roles need the cores. Only
		// loopback for Erlang's own protocol, whose cookie is as good as a shell.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-noinput +B i +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"+
			" -kernel inet_dist_use_interface {127,0,0,1}",
	)...)
	epmd := launch{
		path: r.epmd, args: []string{"-address", "127.0.0.1", "-port", strconv.Itoa(p.Epmd)},
		env: serverEnv(erlang...), dir: r.dir, onOrphaned: syscall.SIGKILL,
	}
	// Being killed is what quorum queues are made for; an orderly stop has its own way.
	server := launch{path: r.script, env: env, dir: r.dir, onOrphaned: syscall.SIGKILL}
	return server, []launch{epmd}, nil
}

// erlang is what the node, its port mapper and its tools are told alike.
func (r *rabbitServer) erlang() []string {
	return []string{
		"ERL_EPMD_PORT=" + strconv.Itoa(r.ports().Epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"HOME=" + r.path("home"), // where Erlang keeps its cookie
		"RABBITMQ_NODENAME=" + r.node(),
	}
}

// RabbitCtl runs the broker's own command line tool against our node, for fault tests: alarms can
// be raised in no other way. It takes a second or two, the start of an Erlang machine.
func (s *Stack) RabbitCtl(ctx context.Context, args ...string) error {
	if s.rabbit == nil {
		return errs.Errorf(errs.Conflict, "only a RabbitMQ that was started here is controlled")
	}
	r := s.rabbit.prog.(*rabbitServer) //nolint:forcetypeassert // made so in startServers
	tool := filepath.Join(filepath.Dir(r.script), "rabbitmqctl")
	return s.run(ctx, launch{path: tool, args: args, env: serverEnv(r.erlang()...), dir: r.dir})
}

// configure writes the files that the node reads when it starts.
func (r *rabbitServer) configure() error {
	p := r.ports()
	lines := []string{
		"listeners.tcp.1 = " + loopback(p.Rabbit),
		"management.tcp.ip = 127.0.0.1",
		"management.tcp.port = " + strconv.Itoa(p.RabbitManagement),
		// The only user; it is made with the data, so the password is remembered beside them.
		"default_user = " + rabbitUser,
		"default_pass = " + r.st.state.RabbitPassword,
		"default_user_tags.administrator = true",
		// To our log file, not to one of its own.
		"log.console = true",
		"log.console.level = info",
		"log.file = false",
		// The default wants as much free disk as it may use memory, and blocks publishers without.
		"disk_free_limit.absolute = 100MB",
		// 40 % of the machine is the default; everything else of ours runs here too.
		"vm_memory_high_watermark.absolute = 1GB",
		// How old the management's figures are. A second, not the default's five: the auditor waits for
		// figures that are newer than the work, after each round of a fault test.
		"collect_statistics_interval = 1000",
		"",
	}
	files := map[string]string{
		"rabbitmq.conf":   strings.Join(lines, "\n"),
		"enabled_plugins": "[rabbitmq_management].\n",
	}
	for name, text := range files {
		path := r.path(name)
		if err := writeFile(path, []byte(text)); err != nil {
			return err
		}
		if a := r.st.place.tenant; a != nil {
			if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
				return unwritable(path, err)
			}
		}
	}
	return nil
}

// probe is true when the broker greets a client and its management answers. Both come up late in
// the start: a bare connection would do as soon as the port is open.
func (r *rabbitServer) probe(ctx context.Context) error {
	if err := r.greets(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.managementURL()+"/api/overview", nil)
	if err != nil {
		return errs.Wrap(errs.Internal, err, "ask the management")
	}
	return getOK(req)
}

// probeTimeout bounds one look: a server that is up answers in milliseconds.
const probeTimeout = 2 * time.Second

// greets opens an AMQP connection as far as the server's first method frame.
func (r *rabbitServer) greets(ctx context.Context) error {
	conn, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, "tcp", loopback(r.ports().Rabbit))
	if err != nil {
		return errs.Errorf(errs.Unavailable, "no answer on port %d", r.ports().Rabbit)
	}
	defer conn.Close() //nolint:errcheck // Nothing was said that could be lost.
	if err := conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		return errs.Wrap(errs.Internal, err, "bound the greeting")
	}
	const header, methodFrame = "AMQP\x00\x00\x09\x01", 1
	if _, err := conn.Write([]byte(header)); err != nil {
		return errs.Errorf(errs.Unavailable, "RabbitMQ hung up")
	}
	if kind, err := bufio.NewReader(conn).ReadByte(); err != nil || kind != methodFrame {
		return errs.Errorf(errs.Unavailable, "RabbitMQ does not greet yet")
	}
	return nil
}

// getOK sends a request on a connection of its own and wants 200.
func getOK(req *http.Request) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return errs.Errorf(errs.Unavailable, "no answer from %s", req.URL.Host)
	}
	defer res.Body.Close() //nolint:errcheck // The status is all that is read.
	if res.StatusCode != http.StatusOK {
		return errs.Errorf(errs.Unavailable, "%s answered %s", req.URL.Host, res.Status)
	}
	return nil
}

func (r *rabbitServer) started(context.Context) error { return nil }

func (r *rabbitServer) url() string {
	return fmt.Sprintf("amqp://%s@%s/", r.userinfo(), loopback(r.ports().Rabbit))
}

// managementURL carries the user and password, as clients of its API want them.
func (r *rabbitServer) managementURL() string {
	return fmt.Sprintf("http://%s@%s", r.userinfo(), loopback(r.ports().RabbitManagement))
}

func (r *rabbitServer) userinfo() *url.Userinfo {
	return url.UserPassword(rabbitUser, r.st.state.RabbitPassword)
}

func (r *rabbitServer) stopSignal() syscall.Signal { return syscall.SIGTERM }
