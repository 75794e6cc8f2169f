package driver_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// tracedImage pushes an image of that many layers to the first of some registries, and waits until
// the others know its manifest and config, which all of them fetch by themselves.
func tracedImage(t *testing.T, layers int, all ...*drivertest.Member) v1.Image {
	t.Helper()
	img, err := random.Image(3*leafSize+7, int64(layers))
	must(t, err)
	must(t, crane.Push(img, served(t, all[0])+"/team/app:1", crane.Insecure))
	for _, m := range all[1:] {
		drivertest.Await(t, "the manifest and the config are here", func() bool {
			tr, err := m.Trace(t.Context(), "team/app:1", driver.TraceOptions{DryRun: true}, func(driver.TracedBlob) {})
			return err == nil && len(tr.Blobs) == 2+layers && tr.Blobs[0].Here && tr.Blobs[1].Here
		})
	}
	return img
}

// traced traces the image once the trace before has ended: its answer comes a moment earlier.
func traced(t *testing.T, client *driver.Client, o driver.TraceOptions, progress func(driver.TracedBlob)) (tr driver.Trace) {
	t.Helper()
	drivertest.Await(t, "no other trace runs", func() bool {
		var err error
		tr, err = client.Trace(t.Context(), "team/app:1", o, progress)
		if !errors.Is(err, driver.ErrBusy) {
			must(t, err)
		}
		return err == nil
	})
	return tr
}

// TestATraceOfAnImage moves nothing when it is dry. Else it brings all of the image, and says from whom.
func TestATraceOfAnImage(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	a, b := all[0], all[1]
	img := tracedImage(t, 4, a, b)
	layers, err := img.Layers()
	must(t, err)
	before := b.Status(t.Context()).Transfers
	client := driver.NewClient(b.Params)
	dry := traced(t, client, driver.TraceOptions{DryRun: true}, func(driver.TracedBlob) {})
	if after := b.Status(t.Context()).Transfers; after.BytesIn != before.BytesIn || after.Active != 0 {
		t.Errorf("a dry run moved %d bytes", after.BytesIn-before.BytesIn)
	}
	if dry.Lacking() != 0 || len(dry.Silent) != 0 || len(dry.Blobs) != 2+len(layers) {
		t.Errorf("%+v", dry)
	}
	for i, b := range dry.Blobs {
		if b.Story != nil || b.Here != (i < 2) || len(b.Holders) != 1 || !b.Holders[0].Whole ||
			b.Holders[0].PeerID != a.Identity().PeerID || b.Holders[0].Road == "" {
			t.Errorf("%+v", b)
		}
	}
	told := 0
	tr := traced(t, client, driver.TraceOptions{}, func(driver.TracedBlob) { told++ })
	bytes := int64(0)
	for _, b := range tr.Blobs[2:] {
		bytes += b.Size
	}
	if tr.Lacking() != 0 || tr.Received != bytes || told < len(layers) || tr.Took <= 0 {
		t.Errorf("%d told: %+v", told, tr)
	}
	for i, l := range layers {
		d, err := l.Digest()
		must(t, err)
		s := tr.Blobs[2+i].Story
		if s == nil || s.Digest != d.String() || s.For != "trace" || s.Result != "whole" || s.Received != s.Size || len(s.Sources) != 1 ||
			s.Sources[0].PeerID != a.Identity().PeerID || s.Sources[0].Bytes != s.Size || s.Limit.What == "" {
			t.Errorf("%s: %+v", d, s)
		}
	}
	for _, b := range traced(t, client, driver.TraceOptions{}, func(driver.TracedBlob) {}).Blobs {
		if !b.Here || b.Story != nil {
			t.Errorf("fetched again: %+v", b)
		}
	}
	requireSpreads(t, b)
	for _, of := range []string{"team/app:2", "team/app", "sha256:00"} {
		if _, err := client.Trace(t.Context(), of, driver.TraceOptions{}, func(driver.TracedBlob) {}); err == nil {
			t.Errorf("%s is traced", of)
		}
	}
}

// requireSpreads requires that the metrics count the transfers that are told of.
func requireSpreads(t *testing.T, m *drivertest.Member) {
	t.Helper()
	all := prometheus.NewPedanticRegistry()
	all.MustRegister(m.Collector())
	families, err := all.Gather()
	must(t, err)
	want := len(m.TransferStories(0).Finished)
	found := 0
	for _, f := range families {
		if f.GetName() != "registry_ipfs_transfer_seconds" && f.GetName() != "registry_ipfs_transfer_first_byte_seconds" {
			continue
		}
		if found++; len(f.Metric) != 1 || f.Metric[0].Histogram.GetSampleCount() != uint64(want) || want < 4 {
			t.Errorf("%d are told of: %v", want, f)
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 are metrics", found)
	}
}

// TestATraceWhereALinkIsSlow names that link, also to who follows the transfers meanwhile.
func TestATraceWhereALinkIsSlow(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	a, link := drivertest.StartLinked(t, p)
	p.DatastorePath, p.Bootstrappers, p.ListenAddrs = t.TempDir(), a.Addresses(), []string{"/ip4/127.0.0.1/tcp/0"}
	b := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, a, b)
	tracedImage(t, 1, a, b)
	client, seen := driver.NewClient(b.Params), make(chan driver.TransferStory, 1000)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := client.FollowTransfers(ctx, 0, func(all driver.TransferStories) {
			for _, s := range append(all.Running, all.Finished...) {
				if s.For == "trace" {
					seen <- s
				}
			}
		})
		ended <- err
	}()
	link.Throttle(leafSize)
	tr, err := client.Trace(t.Context(), "team/app:1", driver.TraceOptions{}, func(driver.TracedBlob) {})
	must(t, err)
	if l := tr.Blobs[2].Story.Limit; l.What != "one link" || l.PeerID != a.Identity().PeerID {
		t.Errorf("limited by %+v: %+v", l, tr.Blobs[2].Story)
	}
	running, s := false, driver.TransferStory{}
	drivertest.Await(t, "it is told of", func() bool {
		select {
		case s = <-seen:
			running = running || s.Number == 0 && s.Result == ""
		default:
		}
		return s.Number > 0
	})
	if !running || s.Result != "whole" || s.Digest != tr.Blobs[2].Digest {
		t.Errorf("under way: %v; %+v", running, s)
	}
	stop()
	if err := <-ended; err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it ended with %v", err)
	}
	all, err := client.Transfers(t.Context(), s.Number-1)
	must(t, err)
	if len(all.Finished) != 1 || all.Finished[0].Number != s.Number {
		t.Errorf("%+v", all)
	}
}

// TestATraceOfAnIndex is about the image of one platform, or all.
func TestATraceOfAnIndex(t *testing.T) {
	t.Parallel()
	m := drivertest.Cluster(t, 1)[0]
	index := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"s390x", "riscv64"} {
		img, err := random.Image(100, 1)
		must(t, err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "plan9", Architecture: arch}}})
	}
	ref, err := name.ParseReference(served(t, m)+"/team/multi:1", name.Insecure)
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	for platform, blobs := range map[string]int{"": 7, "all": 7, "plan9/s390x": 4, "linux/s390x": 1} {
		tr, err := m.Trace(t.Context(), "team/multi:1", driver.TraceOptions{Platform: platform}, func(driver.TracedBlob) {})
		must(t, err)
		if len(tr.Blobs) != blobs || tr.Blobs[0].Kind != "index" || tr.Lacking() != 0 {
			t.Errorf("%q: %+v", platform, tr.Blobs)
		}
	}
	if _, err := m.Trace(t.Context(), "team/multi:1", driver.TraceOptions{Platform: "linux"}, nil); err == nil {
		t.Error("that is no platform")
	}
}
