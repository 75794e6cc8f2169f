package containerd

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Mirror is a registry that is asked before the one that an image names.
type Mirror struct {
	URL         string        // with a scheme and a host
	CA          string        // file with the authority of its certificate; "": the system's
	DialTimeout time.Duration // how long a connection may take; containerd knows it since 2.1, and before waits 30 s
	Comment     string        // ends its first line: "", or "# " and a text
}

// What is between these lines of a hosts.toml is written and removed here. Nothing else of it is.
const (
	begin = "# BEGIN registry ipfs hosts: `registry ipfs hosts --remove` takes this block out"
	end   = "# END registry ipfs hosts"
)

// withMirrors puts mirrors before all other hosts of a hosts.toml, and takes out those that were put
// there before. A mirror that the rest of the file names stays as it stands there.
func withMirrors(content []byte, mirrors []Mirror) ([]byte, error) {
	rest, err := withoutMirrors(content)
	if err != nil {
		return nil, err
	}
	was, err := decode(rest)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for host := range was.hosts {
		named[strings.TrimSuffix(host, "/")] = true
	}
	var block bytes.Buffer
	for _, m := range mirrors {
		if !named[m.URL] {
			m.write(&block)
		}
	}
	if block.Len() == 0 {
		return rest, nil
	}
	fresh := insert(rest, begin+"\n"+block.String()+end+"\n")
	is, err := decode(fresh)
	if err != nil {
		return nil, fmt.Errorf("cannot put a mirror into it: %w", err)
	}
	for _, m := range mirrors {
		if !named[m.URL] {
			delete(is.hosts, m.URL)
		}
	}
	if !reflect.DeepEqual(was, is) {
		return nil, errors.New("cannot put a mirror into it without changing the rest: do it by hand")
	}
	return fresh, nil
}

func (m Mirror) write(to *bytes.Buffer) {
	// %q would escape as Go does: a URL that was parsed, and a path, need no more than this.
	head := strings.TrimSpace(fmt.Sprintf("[host.%s] %s", strconv.Quote(m.URL), m.Comment))
	_, _ = fmt.Fprintf(to, "%s\n  capabilities = [\"pull\", \"resolve\"]\n  dial_timeout = %q\n", head, m.DialTimeout)
	if m.CA != "" {
		_, _ = fmt.Fprintf(to, "  ca = %s\n", strconv.Quote(m.CA))
	}
}

// insert puts a block before the first table, since what comes after a table's header is the table's,
// and containerd asks the hosts in the order of their tables.
func insert(content []byte, block string) []byte {
	at := firstTable(content)
	if at < 0 {
		if len(content) > 0 { // an empty line, or the end of the last one, which its removal takes with it
			block = "\n" + block
		}
		return append(bytes.Clone(content), block...)
	}
	return bytes.Join([][]byte{content[:at], []byte(block + "\n"), content[at:]}, nil)
}

// firstTable is where the line of the first table begins, with the comments right above it; -1 when
// there is none.
func firstTable(content []byte) int {
	var p unstable.Parser
	p.Reset(content)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.Table && e.Kind != unstable.ArrayTable {
			continue
		}
		key := e.Key()
		if !key.Next() {
			return -1
		}
		at := lineOf(content, int(key.Node().Raw.Offset))
		for at > 0 && content[lineOf(content, at-1)] == '#' {
			at = lineOf(content, at-1)
		}
		return at
	}
	return -1
}

// lineOf is where the line begins that an offset is in.
func lineOf(content []byte, offset int) int { return bytes.LastIndexByte(content[:offset], '\n') + 1 }

// withoutMirrors takes out what withMirrors has put into a hosts.toml.
func withoutMirrors(content []byte) ([]byte, error) {
	from := bytes.Index(content, []byte(begin+"\n"))
	if from < 0 {
		return content, nil
	}
	size := bytes.Index(content[from:], []byte(end))
	if size < 0 {
		return nil, fmt.Errorf("the line %q is missing: put it after the mirrors that `registry ipfs hosts` has written", end)
	}
	before, after := content[:from], content[from+size+len(end):]
	after = bytes.TrimPrefix(after, []byte("\n")) // an editor may have left that out
	if bytes.HasPrefix(after, []byte("\n")) {     // an empty line that came with it
		after = after[1:]
	} else if len(after) == 0 {
		before = bytes.TrimSuffix(before, []byte("\n"))
	}
	return withoutMirrors(bytes.Join([][]byte{before, after}, nil))
}

// decoded is what a hosts.toml says.
type decoded struct{ hosts, others map[string]any }

func decode(content []byte) (d decoded, err error) {
	if err = toml.Unmarshal(content, &d.others); err != nil {
		return d, err
	}
	d.hosts = map[string]any{}
	if v, ok := d.others["host"]; ok {
		hosts, ok := v.(map[string]any)
		if !ok {
			return d, errors.New("host is no table")
		}
		maps.Copy(d.hosts, hosts)
		delete(d.others, "host")
	}
	return d, nil
}
