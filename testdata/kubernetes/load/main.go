// Command load pushes images to a registry and pulls them, from before until after something is done
// to it, and says whether a pull failed or a push was lost.
//
//	load -at 10.87.0.9:5000 -state /tmp/load.json          until SIGTERM
//	load -at 10.87.0.9:5000 -state /tmp/load.json -verify  pull all that was acknowledged once more
//
// A push that was refused is repeated: its client is told so, and what is not acknowledged is not lost. So is a
// request of a pull that is answered with 503, "try again", a few times, as clients do: on a machine with too
// much to do a registry may not have heard in time what another one has just taken. Both are counted. Nothing
// else is repeated. A failed pull is one of an image that was acknowledged.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const (
	pullers   = 3
	layerSize = 256 << 10
	attempts  = 5                      // of a request of a pull
	pause     = 100 * time.Millisecond // of each that pushes or pulls, between two images
)

// record is what happened.
type record struct {
	Acknowledged map[string]string `json:"acknowledged"` // digests, by image
	Pulled       int               `json:"pulled"`
	Refused      int               `json:"refused"`  // pushes that were not acknowledged at first
	Repeated     int               `json:"repeated"` // requests of pulls that were answered with 503
	Failed       []string          `json:"failed"`   // pulls
}

type load struct {
	at     string
	under  string // the first part of the repositories' names
	mu     sync.Mutex
	record record
	images []string // that are acknowledged
}

func main() {
	at := flag.String("at", "", "host and port of the registry")
	under := flag.String("under", "load", "the first part of the names of what is pushed: of another one for each run, since other registries may see a moment later that a tag was moved")
	state := flag.String("state", "", "the file that says what happened")
	verify := flag.Bool("verify", false, "pull all that was acknowledged, and add what fails")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	l := load{at: *at, under: *under, record: record{Acknowledged: map[string]string{}}}
	var err error
	if *verify {
		err = l.verify(ctx, *state)
	} else {
		l.run(ctx)
	}
	stop()
	if err == nil {
		err = l.write(*state)
	}
	if err != nil {
		log.Fatal("load: ", err)
	}
	fmt.Printf("load: %d images acknowledged, %d pushes refused and repeated, %d pulls, %d of their requests refused, %d failed\n",
		len(l.record.Acknowledged), l.record.Refused, l.record.Pulled, l.record.Repeated, len(l.record.Failed))
	for _, f := range l.record.Failed {
		fmt.Println("load: failed:", f)
	}
	if len(l.record.Failed) > 0 || len(l.record.Acknowledged) == 0 {
		os.Exit(1)
	}
}

func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { l.push(ctx) })
	for range pullers {
		wg.Go(func() { l.pull(ctx) })
	}
	wg.Wait()
}

// options have each request made once, on a connection of its own, as each client's first is.
func options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(alone()), remote.WithRetryStatusCodes(),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithRetryPredicate(func(error) bool { return false }),
	}
}

func alone() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext}
}

// patient are options of which 503 is the one answer after which a request is made again, a second later.
func (l *load) patient(ctx context.Context) []remote.Option {
	return append(options(ctx), remote.WithTransport(counting{l, alone()}), remote.WithRetryStatusCodes(http.StatusServiceUnavailable),
		remote.WithRetryBackoff(remote.Backoff{Duration: time.Second, Factor: 1, Steps: attempts}),
		remote.WithRetryPredicate(func(err error) bool {
			_, answered := errors.AsType[*transport.Error](err)
			return answered
		}))
}

// counting counts answers 503.
type counting struct {
	of *load
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.RoundTripper.RoundTrip(r)
	if err == nil && answer.StatusCode == http.StatusServiceUnavailable {
		c.of.note(func(r *record) { r.Repeated++ })
	}
	return answer, err
}

func (l *load) push(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		image, err := random.Image(layerSize, 2)
		if err != nil {
			log.Fatal("load: ", err)
		}
		called := fmt.Sprintf("%s/%d:%d", l.under, n%7, n)
		for ctx.Err() == nil {
			if err = l.pushOne(ctx, called, image); err == nil {
				break
			}
			if ctx.Err() == nil {
				l.note(func(r *record) { r.Refused++ })
				log.Printf("push of %s: %v", called, err)
			}
			wait(ctx, time.Second)
		}
		wait(ctx, pause)
	}
}

func (l *load) pushOne(ctx context.Context, called string, image v1.Image) error {
	ref, err := name.ParseReference(l.at+"/"+called, name.Insecure)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, image, options(ctx)...); err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record.Acknowledged[called] = digest.String()
	l.images = append(l.images, called)
	return nil
}

func (l *load) pull(ctx context.Context) {
	for ctx.Err() == nil {
		if called, digest, ok := l.any(); ok {
			l.judge(ctx, called, time.Now(), l.pullOne(ctx, called, digest))
		}
		wait(ctx, pause)
	}
}

// any is one of the acknowledged images.
func (l *load) any() (called, digest string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.images) == 0 {
		return "", "", false
	}
	called = l.images[rand.IntN(len(l.images))]
	return called, l.record.Acknowledged[called], true
}

func (l *load) judge(ctx context.Context, called string, began time.Time, err error) {
	switch {
	case err == nil:
		l.note(func(r *record) { r.Pulled++ })
	case ctx.Err() == nil:
		text := fmt.Sprintf("%s, of %s, %s: %v", began.Format(time.TimeOnly), time.Since(began).Round(time.Millisecond), called, err)
		log.Print("pull of ", text)
		l.note(func(r *record) { r.Failed = append(r.Failed, text) })
	}
}

// pullOne reads all of an image, and verifies it.
func (l *load) pullOne(ctx context.Context, called, digest string) error {
	ref, err := name.ParseReference(l.at+"/"+called, name.Insecure)
	if err != nil {
		return err
	}
	image, err := remote.Image(ref, l.patient(ctx)...)
	if err != nil {
		return err
	}
	is, err := image.Digest()
	if err != nil {
		return err
	}
	if is.String() != digest {
		return fmt.Errorf("is %s, and not %s", is, digest)
	}
	return validate.Image(image)
}

// verify pulls all that an earlier run was acknowledged.
func (l *load) verify(ctx context.Context, state string) error {
	text, err := os.ReadFile(state)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &l.record); err != nil {
		return err
	}
	if len(l.record.Acknowledged) == 0 {
		return errors.New("nothing was acknowledged")
	}
	for called, digest := range l.record.Acknowledged {
		l.judge(ctx, called, time.Now(), l.pullOne(ctx, called, digest))
	}
	return ctx.Err()
}

func (l *load) write(state string) error {
	text, err := json.MarshalIndent(l.record, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(state, text, 0o600)
}

func (l *load) note(f func(*record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.record)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
