package driver_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestDeletingAnImageFreesWhatIsSaid: two images share a layer, a third is under another tag, too,
// and what of them another registry has is a copy.
func TestDeletingAnImageFreesWhatIsSaid(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	often := drivertest.OpenedBy(driver.Surveying(200 * time.Millisecond))
	p := drivertest.Parameters(t, key)
	p.GCUntagged = true
	a := drivertest.Start(t, p, often)
	p = drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	b := drivertest.Start(t, p, often)
	drivertest.AwaitMesh(t, a, b)
	host := served(t, a)
	one, err := random.Image(3*leafSize, 2)
	must(t, err)
	two := withLayer(t, one, 2*leafSize)
	for tag, img := range map[string]v1.Image{"1": one, "2": two, "3": withLayer(t, one, leafSize)} {
		must(t, crane.Push(img, host+"/team/app:"+tag, crane.Insecure))
	}
	must(t, crane.Push(two, host+"/other:1", crane.Insecure))
	drivertest.AwaitAgreement(t, a, b)
	pulled, err := crane.Pull(served(t, b)+"/team/app:3", crane.Insecure)
	must(t, err)
	must(t, validate.Image(pulled))
	usage := func(of ...string) driver.Usage {
		u, err := driver.NewClient(a.Params).Usage(t.Context(), driver.UsageOptions{Of: of}, func(driver.UsageProgress) {})
		must(t, err)
		return u
	}
	drivertest.Await(t, "the survey has found the copies", func() bool {
		u := usage("team/app:2", "team/app:3")
		return u.Images[0].Copies == 2 && u.Images[0].OnlyHere == 0 && u.Images[1].Copies == 1 && u.Images[1].OnlyHere > 2*leafSize
	})
	for _, gone := range [][]string{{"team/app:3"}, {"team/app:2", "other:1"}, {"team/app:1"}} {
		u, before := usage(gone...), a.Status(t.Context()).Blobs
		sum := int64(0)
		for _, i := range u.Images {
			sum += i.Frees
		}
		if sum > u.Together.Bytes || len(gone) == 1 && sum != u.Together.Bytes || u.Together.Bytes == 0 || u.Garbage.Blobs+u.Unnamed.Blobs > 0 {
			t.Fatalf("%v: %+v", gone, u)
		}
		for _, image := range gone {
			d, err := crane.Digest(host+"/"+image, crane.Insecure)
			must(t, err)
			repo, _, _ := strings.Cut(image, ":")
			must(t, crane.Delete(host+"/"+repo+"@"+d, crane.Insecure))
		}
		if u := usage(); u.Garbage.Blobs == 0 {
			t.Fatalf("nothing is garbage: %+v", u)
		}
		grace := time.Duration(0)
		_, err := a.Collect(t.Context(), driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
		must(t, err)
		after := a.Status(t.Context()).Blobs
		if before.Bytes-after.Bytes != u.Together.Bytes || before.Here-after.Here != u.Together.Blobs {
			t.Fatalf("%v: %d blobs of %d bytes were freed, not %+v", gone, before.Here-after.Here, before.Bytes-after.Bytes, u.Together)
		}
	}
}

// withLayer is an image with one more layer.
func withLayer(t *testing.T, img v1.Image, size int64) v1.Image {
	t.Helper()
	l, err := random.Layer(size, types.DockerLayer)
	must(t, err)
	img, err = mutate.AppendLayers(img, l)
	must(t, err)
	return img
}
