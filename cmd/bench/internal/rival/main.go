package rival

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

// options are the flags of either side.
type options struct {
	listen, from, to, dir string
	psk                   []byte
}

// offering is a server that runs.
type offering struct {
	address string                                                 // for the client's -from
	offer   func(ctx context.Context, path string) (string, error) // gives the file's name
}

// fetcher is a client that is connected.
type fetcher struct {
	note  string
	fetch func(ctx context.Context, name string, to *os.File) (int64, error)
}

var servers = map[string]func(context.Context, options) (offering, error){
	"http": serveHTTP, "tls": serveTLS, "libp2p": serveLibp2p, "bitswap": serveBitswap,
}

var fetchers = map[string]func(context.Context, options) (fetcher, error){
	"http": fetchHTTP, "tls": fetchTLS, "libp2p": fetchLibp2p, "bitswap": fetchBitswap,
}

// Main is `rival serve KIND …` and `rival fetch KIND …`; args are those after rival.
func Main(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("rival: want serve or fetch, and a kind")
	}
	var o options
	flags := flag.NewFlagSet("rival", flag.ContinueOnError)
	flags.StringVar(&o.listen, "listen", "", "IP address and port to listen on")
	flags.StringVar(&o.from, "from", "", "the server's address")
	flags.StringVar(&o.to, "to", "", "the file to write")
	flags.StringVar(&o.dir, "dir", "", "directory for a datastore")
	psk := flags.String("psk", "", "protector key in hex")
	if err := flags.Parse(args[2:]); err != nil {
		return err
	}
	var err error
	if o.psk, err = hex.DecodeString(*psk); err != nil {
		return fmt.Errorf("rival: -psk: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serve, fetch := servers[args[1]], fetchers[args[1]]
	switch {
	case args[0] == "serve" && serve != nil:
		err = serveLines(ctx, o, serve)
	case args[0] == "fetch" && fetch != nil:
		err = fetchLines(ctx, o, fetch)
	default:
		err = errors.New("no such rival")
	}
	if err != nil {
		return fmt.Errorf("rival %s %s: %w", args[0], args[1], err)
	}
	return nil
}

func serveLines(ctx context.Context, o options, serve func(context.Context, options) (offering, error)) error {
	s, err := serve(ctx, o)
	if err != nil {
		return err
	}
	fmt.Println("address", s.address)
	return eachLine(func(path string) error {
		name, err := s.offer(ctx, path)
		if err == nil {
			fmt.Println("offers", name)
		}
		return err
	})
}

func fetchLines(ctx context.Context, o options, fetch func(context.Context, options) (fetcher, error)) error {
	f, err := fetch(ctx, o)
	if err != nil {
		return err
	}
	fmt.Println("ready", f.note)
	return eachLine(func(name string) error {
		n, took, err := toDisk(ctx, f, name, o.to)
		if err == nil {
			fmt.Println("fetched", n, took.Nanoseconds())
		}
		return err
	})
}

func eachLine(do func(string) error) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := do(lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// toDisk times from the request until the file is safe on the disk.
func toDisk(ctx context.Context, f fetcher, name, path string) (n int64, took time.Duration, err error) {
	if err := os.RemoveAll(path); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	file, err := os.Create(path)
	if err != nil {
		return 0, 0, err
	}
	n, err = f.fetch(ctx, name, file)
	err = errors.Join(err, file.Sync(), file.Close())
	return n, time.Since(began), err
}

// itself offers a file under its path.
func itself(_ context.Context, path string) (string, error) { return path, nil }
