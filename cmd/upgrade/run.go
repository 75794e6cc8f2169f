package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// trial is one run.
type trial struct {
	o     options
	out   io.Writer
	swarm *swarm
	load  *load

	earlier, later []string // capabilities
	dropped        int      // changes, by all registries
	rows           []row
	broken         []string
}

func run(ctx context.Context, o options, out io.Writer) (holds bool, err error) {
	made := o.dir == ""
	if made {
		o.dir, err = os.MkdirTemp("", "upgrade-")
	} else {
		err = os.MkdirAll(o.dir, 0o750)
	}
	if err == nil {
		o.from, err = filepath.Abs(o.from)
	}
	if err == nil {
		o.to, err = filepath.Abs(o.to)
	}
	if err != nil {
		return false, err
	}
	t := &trial{o: o, out: out}
	if t.swarm, err = openSwarm(ctx, o); err != nil {
		return false, fmt.Errorf("start three registries (their logs are in %s): %w", o.dir, err)
	}
	t.load = newLoad(t.swarm)
	err = t.steps(ctx)
	t.report()
	holds = err == nil && len(t.broken) == 0
	err = errors.Join(err, t.swarm.close())
	if made && holds && err == nil {
		return true, os.RemoveAll(o.dir)
	}
	t.say("logs and disks are in %s", o.dir)
	return holds, err
}

// steps go up, and down again as far as that is possible.
func (t *trial) steps(ctx context.Context) error {
	stop := t.load.start(ctx)
	if err := t.look(ctx, "all are of the earlier release", stop, true); err != nil {
		return err
	}
	for i, r := range t.swarm.all {
		if err := t.up(ctx, r, i == members-1); err != nil {
			return err
		}
	}
	if err := t.step(ctx, "history is dropped", func(s *row) error {
		if err := t.compacted(ctx); err != nil {
			return err
		}
		return t.featuresOf(ctx, s, false)
	}); err != nil {
		return err
	}
	if err := t.newcomers(ctx); err != nil {
		return err
	}
	for i, r := range t.swarm.all {
		if went, err := t.down(ctx, r, i); err != nil || !went {
			return err
		}
	}
	return t.newcomers(ctx)
}

// newcomers are one of each release.
func (t *trial) newcomers(ctx context.Context) error {
	if err := t.newcomer(ctx, t.o.to); err != nil {
		return err
	}
	return t.newcomer(ctx, t.o.from)
}

// up replaces a registry by the later release.
func (t *trial) up(ctx context.Context, r *registry, last bool) error {
	if last {
		err := t.step(ctx, "a longer history", func(*row) error { return t.lengthen(ctx) })
		if err != nil {
			return err
		}
	}
	stop := t.load.start(ctx)
	if err := t.replace(ctx, r, t.o.to); err != nil {
		return errors.Join(err, stop(0))
	}
	if err := t.look(ctx, r.Name+" becomes the later release", stop, !last); err != nil || last || r == t.swarm.all[0] {
		return err
	}
	return t.newcomers(ctx)
}

// down replaces a registry by the earlier release, and puts the later one back if that one
// cannot go on.
func (t *trial) down(ctx context.Context, r *registry, i int) (went bool, err error) {
	stop := t.load.start(ctx)
	if err := r.Stop(); err != nil {
		return false, errors.Join(err, stop(0))
	}
	said, err := t.tried(ctx, r, t.o.from, t.swarm.all)
	if err != nil {
		return false, errors.Join(err, stop(0))
	}
	if said == "" {
		return true, t.look(ctx, r.Name+" goes back to the earlier release", stop, true)
	}
	t.rows = append(t.rows, row{what: r.Name + " goes back to the earlier release", result: "cannot: " + said})
	if err := r.Stop(); err != nil && r.Running() {
		return false, errors.Join(err, stop(0))
	}
	if err := t.replace(ctx, r, t.o.to); err != nil {
		return false, errors.Join(err, stop(0))
	}
	return false, t.look(ctx, r.Name+" becomes the later release again", stop, i > 0)
}

func (t *trial) replace(ctx context.Context, r *registry, binary string) error {
	if err := r.Stop(); err != nil {
		return err
	}
	r.Binary = binary
	return r.Start(ctx)
}

// tried starts a registry of a release that may not be able to go on with what there is, and returns what
// it says then; "": it has joined the others.
func (t *trial) tried(ctx context.Context, r *registry, binary string, all []*registry) (said string, err error) {
	r.Binary = binary
	if err := r.Spawn(); err != nil {
		return "", err
	}
	if err := r.AwaitAnswer(ctx); err != nil {
		select {
		case <-r.Ended():
		default:
			return "", err // it neither answers nor ends
		}
		if err := r.Wait(); err == nil {
			return "", fmt.Errorf("%s ended with status 0", r.Name)
		}
		return "it ends: " + lastLine(r.Log), ctx.Err()
	}
	if err := t.swarm.agree(ctx, all); err == nil {
		return "", nil
	}
	st, err := r.ask(ctx)
	if err != nil {
		return "", err
	}
	said = fmt.Sprint(notReady(r, st))
	if len(st.NotReady) == 0 {
		t.breach("%s is ready, and is not one with the others: %s", r.Name, apart(ctx, all))
	}
	t.pullAll(ctx, r)
	return said, nil
}

// newcomer has a registry join, looks at what it answers, and has the others forget it.
func (t *trial) newcomer(ctx context.Context, binary string) error {
	return t.step(ctx, "a newcomer of the "+t.called(binary), func(s *row) error {
		t.swarm.made++
		r, err := t.swarm.registry(ctx, fmt.Sprintf("N%d", t.swarm.made), binary)
		if err != nil {
			return err
		}
		said, err := t.tried(ctx, r, binary, append([]*registry{r}, t.swarm.all...))
		if err == nil && said == "" {
			s.images, err = t.answered(ctx, r)
		} else if said != "" {
			s.result = "cannot: " + said
		}
		if r.Running() {
			err = errors.Join(err, r.Stop())
		}
		return errors.Join(err, t.forget(ctx, r))
	})
}

// forget has all members forget a registry that is gone.
func (t *trial) forget(ctx context.Context, r *registry) error {
	for _, m := range t.swarm.all {
		client := driver.NewClient(driver.Parameters{DatastorePath: m.Data})
		err := t.swarm.await(ctx, func(ctx context.Context) string {
			_, err := client.Forget(ctx, r.peer)
			var answer *driver.AnswerError
			if err == nil || errors.As(err, &answer) && answer.Status == 404 {
				return ""
			}
			return fmt.Sprintf("%s does not forget %s: %v", m.Name, r.Name, err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) called(binary string) string {
	if binary == t.o.to {
		return "later release"
	}
	return "earlier release"
}

// look has clients go on for a while, and then looks at everything.
func (t *trial) look(ctx context.Context, what string, stop func(int) error, mixed bool) error {
	return t.step(ctx, what, func(s *row) (err error) {
		if err := stop(t.o.acts); err != nil {
			return err
		}
		if err := t.swarm.agree(ctx, t.swarm.all); err != nil {
			return err
		}
		for _, r := range t.swarm.all {
			if s.images, err = t.answered(ctx, r); err != nil {
				return err
			}
			st, err := r.ask(ctx)
			if err != nil {
				return err
			}
			s.paths = st.Map.Entries
			if r.Binary == t.o.from {
				t.earlier = st.Capabilities
			} else {
				t.later = st.Capabilities
			}
		}
		return t.featuresOf(ctx, s, mixed)
	})
}

func (t *trial) featuresOf(ctx context.Context, s *row, mixed bool) (err error) {
	s.features, err = t.features(ctx, mixed)
	s.dropped = t.dropped
	return err
}

// step does something, and notes what came of it. Its error is that of ctx, or one after which nothing
// can go on.
func (t *trial) step(ctx context.Context, what string, do func(*row) error) error {
	s, began := row{what: what}, time.Now()
	t.say("%s …", what)
	err := do(&s)
	s.took = time.Since(began)
	if err != nil {
		s.result = err.Error()
		t.breach("%s: %v", what, err)
	}
	t.rows = append(t.rows, s)
	return err
}

// breach notes what does not hold.
func (t *trial) breach(format string, args ...any) {
	t.broken = append(t.broken, fmt.Sprintf(format, args...))
}

func (t *trial) say(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format+"\n", args...) }
