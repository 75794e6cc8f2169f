package driver

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
)

// ParsePlatform checks a platform of TraceOptions.
func ParsePlatform(text string) error {
	parts := strings.Split(text, "/")
	if text == "" || text == AllPlatforms || (len(parts) == 2 || len(parts) == 3) && parts[0] != "" && parts[1] != "" {
		return nil
	}
	return fmt.Errorf("platform %q: is neither os/architecture, os/architecture/variant nor %s", text, AllPlatforms)
}

// meantOf are those images of an index that are of a platform: all, where none is.
func meantOf(content []byte, m manifest.Manifest, platform string) []digest.Digest {
	var index struct {
		Manifests []struct {
			Digest   digest.Digest `json:"digest"`
			Platform struct {
				OS           string `json:"os"`
				Architecture string `json:"architecture"`
				Variant      string `json:"variant"`
			} `json:"platform"`
		} `json:"manifests"`
	}
	if platform == AllPlatforms || json.Unmarshal(content, &index) != nil {
		return m.Manifests
	}
	want := platform
	if want == "" {
		want = "linux/" + runtime.GOARCH
	}
	var meant []digest.Digest
	for _, of := range index.Manifests {
		is := of.Platform.OS + "/" + of.Platform.Architecture
		if is == want || is+"/"+of.Platform.Variant == want {
			meant = append(meant, of.Digest)
		}
	}
	if len(meant) == 0 && platform == "" {
		return m.Manifests
	}
	return meant
}
