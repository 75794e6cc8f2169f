package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

// API answers what Client asks, as docs/api.yaml describes it: the questions, and nothing that
// changes anything. It says who is in the swarm and what images there are, and no secrets. Whoever
// reaches it may read that.
func (d *Driver) API() http.Handler { return d.store.engine.Answers().Handler(true) }

// routes are what this registry answers its operator. Client has a method for each, and docs/api.yaml
// is made of them.
//
//go:generate env UPDATE_API=1 go test -run TestTheAPIIsDescribed .
func (s *store) routes() []admin.Route {
	return append([]admin.Route{
		admin.Get("/v1/status", "The state of this registry and of its swarm.",
			func(context.Context, admin.Query) (Status, error) { return s.status(), nil }),
		admin.Get("/v1/id", "This registry's peer ID, and the addresses that others bootstrap with.",
			func(context.Context, admin.Query) (Identity, error) { return s.identity(), nil }),
		admin.Get("/v1/swarm", "How all registries of the swarm are. All members are asked, twice within a second.",
			func(ctx context.Context, _ admin.Query) (SwarmStatus, error) { return s.askedSwarm(ctx) }),
		s.peersRoute(),
		s.membersRoute(),
		s.keyChangeRoute(),
		s.signaturesRoute(),
		s.namesRoute(),
		s.logRoute(),
		admin.Get("/v1/where", "Which registries have what of an image or a blob. All members are asked.", s.askedWhere,
			admin.Param{Name: "of", About: "repository:tag, repository@digest, a digest or the start of one"}),
		s.imageRoute(),
		admin.Watch("/v1/usage", "What images take of this registry's disk, and what deleting them frees.", s.askedUsage,
			admin.Param{Name: "of", About: "a repository or repository:tag, given once or more; without it all"},
			admin.Param{Name: "most", About: "how many images are listed, those that free most; without it all"}),
		admin.Task("/v1/diff", "Compare two images by blobs, by leaves, and by the files in their layers, all of which are read.", s.askedDiff,
			admin.Param{Name: "a", About: "repository:tag or repository@digest"}, admin.Param{Name: "b", About: "likewise"},
			admin.Param{Name: "platform", About: "of indexes, such as linux/amd64; without it all that both have"},
			admin.Param{Name: "fetch", About: "given, with any value: layers that are not here from other registries"}),
		admin.Task("/v1/reach", "Have this registry and its members dial each other, and say how they reach each other.",
			func(ctx context.Context, _ admin.Query, _ func(int)) (Reach, error) { return s.reach(ctx), nil }),
		admin.Get("/v1/transfers", "What is told of the transfers to this registry: those under way, and the last 1,000 that are over.",
			s.askedForTransfers, afterParam),
		admin.Watch("/v1/transfers/follow", "The same, again and again: who is under way each second, and who is over once.",
			s.askedToFollow, afterParam, admin.Param{Name: "seconds", About: "for how long; without it until the connection ends"}),
		admin.Task("/v1/trace", "Fetch the blobs of an image, and tell how each came; or ask who has them.", s.askedToTrace,
			admin.Param{Name: "of", About: "repository:tag, repository@digest, a digest or the start of one"},
			admin.Param{Name: "options", About: "how", JSON: reflect.TypeFor[TraceOptions]()}),
		admin.Delete("/v1/members/{member}", "Forget a member that is away, or shut one out for good. The answer is what it was.",
			func(ctx context.Context, q admin.Query) (Member, error) {
				if q.Has("revoke") {
					return s.revoke(ctx, q.Get("member"))
				}
				return s.forget(ctx, q.Get("member"))
			},
			admin.Param{Name: "member", About: "its peer ID, the end of that, or its name"},
			admin.Param{Name: "revoke", About: "given, with any value: it is shut out of the swarm for good, connected or not"}),
		admin.Task("/v1/verify", "Read this registry's blobs, or those of an image, and mend damaged ones.", s.askedToVerify,
			admin.Param{Name: "image", About: "repository:tag or repository@digest; without it all blobs"}),
		optioned("/v1/collect", "Collect garbage.", "how", s.collect),
		s.importRoute(),
		s.exportRoute(),
		admin.Task("/v1/drain", "Begin to hand on what this registry keeps, so that it may be switched off for good.", s.askedToDrain,
			admin.Param{Name: "wait", About: "given, with any value: answer once it may be switched off"}),
		admin.Delete("/v1/drain", "End that: this registry stays.",
			func(ctx context.Context, _ admin.Query) (DrainState, error) { return s.undrain(ctx) }),
	}, s.backupRoutes()...)
}

// optioned is a task whose options are one parameter, in JSON. Options that this release does not
// know are an error: what they ask for would not be done.
func optioned[P, O, A any](path, about, options string, do func(context.Context, O, func(P)) (A, error)) admin.Route {
	return admin.Task(path, about,
		func(ctx context.Context, q admin.Query, tell func(P)) (A, error) {
			o, err := optionsOf[O](q)
			if err != nil {
				var none A
				return none, err
			}
			return do(ctx, o, tell)
		},
		admin.Param{Name: "options", About: options, JSON: reflect.TypeFor[O]()})
}

func optionsOf[O any](q admin.Query) (o O, err error) {
	decoder := json.NewDecoder(strings.NewReader(q.Get("options")))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		return o, admin.Invalid(fmt.Errorf("read the options: %w", err))
	}
	return o, nil
}

func (s *store) askedWhere(ctx context.Context, q admin.Query) (Where, error) {
	return s.where(ctx, q.Get("of"))
}

func (s *store) askedUsage(ctx context.Context, q admin.Query, tell func(UsageProgress)) (Usage, error) {
	o := UsageOptions{Of: q["of"]}
	if most := q.Get("most"); most != "" {
		n, err := strconv.ParseUint(most, 10, 31)
		if err != nil {
			return Usage{}, admin.Invalid(fmt.Errorf("most: %w", err))
		}
		o.Most = int(n)
	}
	return s.usage(ctx, o, tell)
}

func (s *store) askedDiff(ctx context.Context, q admin.Query, tell func(DiffProgress)) (Diff, error) {
	return s.diff(ctx, q.Get("a"), q.Get("b"), DiffOptions{Platform: q.Get("platform"), Fetch: q.Has("fetch")}, tell)
}

func (s *store) askedToVerify(ctx context.Context, q admin.Query, tell func(VerifyProgress)) (Verification, error) {
	return s.verify(ctx, q.Get("image"), tell)
}

func (s *store) askedToDrain(ctx context.Context, q admin.Query, tell func(DrainState)) (DrainState, error) {
	return s.drain(ctx, q.Has("wait"), tell)
}
