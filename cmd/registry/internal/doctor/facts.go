package doctor

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// Facts are what is known of a registry and of its swarm.
type Facts struct {
	At      time.Time           `json:"at"` // when they were gathered
	Config  Config              `json:"config"`
	Machine Machine             `json:"machine"`
	Status  *driver.Status      `json:"status"`   // nil: the registry did not answer
	Silent  string              `json:"silent"`   // why it did not
	Runs    bool                `json:"runs"`     // it runs all the same, or may
	Late    bool                `json:"late"`     // it was asked, and did not answer in time
	Swarm   *driver.SwarmStatus `json:"swarm"`    // nil: it did not ask its members how they are
	Reach   *driver.Reach       `json:"reach"`    // nil: it did not say how it and its members reach each other
	NoSwarm string              `json:"no_swarm"` // why it did not
	NoReach string              `json:"no_reach"`
}

// Config is what the configuration says, as far as a check asks for it.
type Config struct {
	Trouble   string   `json:"trouble"`   // why it cannot be used, with what to do; then nothing below is known
	Variables []string `json:"variables"` // of the environment, that are ignored as a Kubernetes Service's

	HTTPHost        string `json:"http_host"`        // http.host
	WeakSecret      bool   `json:"weak_secret"`      // http.secret can be guessed
	DescriptorCache string `json:"descriptor_cache"` // storage.cache.blobdescriptor
	TLS             *TLS   `json:"tls"`              // of http.tls; nil: the registry speaks plain HTTP, or another's certificates

	DataAddrs []string `json:"data_addrs"` // dataaddrs
	Hash      string   `json:"hash"`       // hash
}

// TLS is the certificate that clients are shown.
type TLS struct {
	Path    string    `json:"path"`
	Trouble string    `json:"trouble"` // why it cannot be used; then nothing below is known
	Unknown string    `json:"unknown"` // why it cannot be looked at; likewise
	From    time.Time `json:"from"`    // it is valid from then
	To      time.Time `json:"to"`      // to then
	Names   []string  `json:"names"`   // of hosts and IP addresses
	Covers  bool      `json:"covers"`  // it is valid for the host of http.host; true when that is unset
	Exposed bool      `json:"exposed"` // every user of this machine can read its key
}

// Machine is what the machine is like on which the command runs.
type Machine struct {
	Data    Data       `json:"data"`
	Disk    *Disk      `json:"disk"` // that datastorepath lies on; nil: not known
	Keys    []KeyFile  `json:"keys"`
	Lists   []ListFile `json:"lists"`
	Ports   []Port     `json:"ports"` // of the configuration, that another program has; known only while the registry is stopped
	Mirrors []Mirror   `json:"mirrors"`
}

// Data is the directory of datastorepath.
type Data struct {
	Path    string `json:"path"`
	Trouble string `json:"trouble"` // why this user cannot write there
	Unknown string `json:"unknown"` // why it cannot be known whether the registry's user can
	Exposed bool   `json:"exposed"` // every user of this machine can read what is in it
}

// Disk is a file system.
type Disk struct {
	Free        uint64 `json:"free"` // bytes, for this user
	Total       uint64 `json:"total"`
	Inodes      uint64 `json:"inodes"`       // free
	TotalInodes uint64 `json:"total_inodes"` // 0: it does not count them
}

// KeyFile is a file that holds a key.
type KeyFile struct {
	Name    string `json:"name"` // of the parameter
	Path    string `json:"path"`
	Trouble string `json:"trouble"` // why the registry does not start with it
	Unknown string `json:"unknown"` // why it cannot be known whether it does
	Exposed bool   `json:"exposed"` // every user of this machine can read it
}

// ListFile is a file that holds a list of peers.
type ListFile struct {
	Name    string `json:"name"` // of the parameter
	Path    string `json:"path"`
	Trouble string `json:"trouble"` // why it has no list
	Unknown string `json:"unknown"` // why it cannot be known whether it has
}

// Port is an address of the configuration that cannot be listened on.
type Port struct {
	Key     string `json:"key"` // of the configuration
	Address string `json:"address"`
	Trouble string `json:"trouble"`
}

// Mirror is a file from which containerd, or Podman and CRI-O, on this machine read where to pull from.
type Mirror struct {
	Path    string `json:"path"`
	Trouble string `json:"trouble"` // why it cannot be read
	Of      string `json:"of"`      // the registry whose images are pulled, such as docker.io
	// Hosts are those of its entries that lead to this registry.
	Hosts []MirrorHost `json:"hosts"`
	Alone bool         `json:"alone"` // it names no other host
	// IgnoredBy is containerd's configuration whose config_path does not name the file's directory.
	IgnoredBy string   `json:"ignored_by"`
	Wrong     []string `json:"wrong"` // how it names this registry wrongly
}

// MirrorHost is an entry that leads to this registry.
type MirrorHost struct {
	URL     string `json:"url"`
	Trouble string `json:"trouble"` // what came in place of an answer; "": it answers, or was not asked
}
