package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/kube"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// podLog is where the log of a container comes from, in which the registry is the first process. What a
// hook prints itself nobody sees.
func podLog() (*os.File, error) {
	first, err := os.Stat("/proc/1/exe")
	if err != nil {
		return nil, err
	}
	own, err := os.Stat("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	if !os.SameFile(first, own) {
		return nil, errors.New("the first process is another program")
	}
	return os.OpenFile("/proc/1/fd/2", os.O_WRONLY, 0)
}

// prestopOptions are the flags of `prestop`.
type prestopOptions struct {
	set    string
	pod    string
	linger time.Duration
}

// prestopCommand is for the preStop hook of a pod of Kubernetes, in whose image is no shell.
func prestopCommand() *cobra.Command {
	var o prestopOptions
	cmd := &cobra.Command{
		Use:   "prestop <config>",
		Short: "Prepare the running registry for the end of its pod, in a preStop hook of Kubernetes",
		Long: "Wait until clients are no longer sent to this pod, whose registry serves them meanwhile. When its\n" +
			"StatefulSet (--statefulset) was scaled down, so that this pod will not be started again, have the registry\n" +
			"hand on what it keeps before, as `registry ipfs drain --wait` does; how long that may take says\n" +
			"terminationGracePeriodSeconds. A pod that is restarted, and those of a StatefulSet that is deleted or has\n" +
			"no replicas, hand on nothing.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readParameters(args)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			if log, err := podLog(); err == nil {
				defer func() { _ = log.Close() }()
				cmd.SetErr(log)
			}
			err = o.leave(ctx, cmd, p)
			select {
			case <-time.After(o.linger):
			case <-ctx.Done():
			}
			if err != nil {
				return fmt.Errorf("prestop: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.set, "statefulset", "", "name of the StatefulSet to ask the API server for (default: none is asked for)")
	flags.StringVar(&o.pod, "pod", "", "name of this pod (default: the host name)")
	flags.DurationVar(&o.linger, "linger", 5*time.Second, "how long clients may still be sent here")
	return cmd
}

// leave hands on what the registry keeps, if its pod goes for good.
func (o prestopOptions) leave(ctx context.Context, cmd *cobra.Command, p driver.Parameters) (err error) {
	if o.set == "" {
		return nil
	}
	pod := o.pod
	if pod == "" {
		if pod, err = os.Hostname(); err != nil {
			return err
		}
	}
	api, err := kube.InCluster("/")
	if err != nil {
		return err
	}
	leaves, err := api.Leaves(ctx, o.set, pod)
	if errors.Is(err, kube.ErrGone) {
		return nil
	}
	if err != nil || !leaves {
		return err
	}
	d, err := askToDrain(ctx, cmd, p, true)
	if err != nil {
		return err
	}
	return printDrain(cmd.ErrOrStderr(), d, false)
}
