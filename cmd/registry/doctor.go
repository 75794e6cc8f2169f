package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/registry/internal/doctor/gather"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// doctorTimeout is longer than the running registry and its members take to dial each other.
const doctorTimeout = time.Minute

func doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor <config>",
		Short: "Find what is wrong with this registry and its swarm, and what to do about it",
		Long: "Look at the configuration, at this machine, and, by asking the running registry, at the swarm. Each finding\n" +
			"is what is wrong, what it means, and what to do. Of a registry that does not run, only the configuration and the\n" +
			"machine are looked at. Exits with status 0 when nothing is wrong, 1 with warnings, 2 when something does not work.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorTimeout)
			defer cancel()
			found := doctor.Examine(examined(ctx, cmd, args))
			var err error
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), diagnosis{doctor.Worst(found), found})
			} else {
				err = printFindings(cmd.OutOrStdout(), found)
			}
			if err != nil {
				return err
			}
			return exitOf(doctor.Worst(found))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// diagnosis is what `ipfs doctor --json` prints.
type diagnosis struct {
	Severity doctor.Severity  `json:"severity"` // the worst of
	Findings []doctor.Finding `json:"findings"`
}

// exitStatus ends the program with a status, and nothing more to say.
type exitStatus int

// Error implements error.
func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func exitOf(worst doctor.Severity) error {
	switch worst {
	case doctor.Broken:
		return exitStatus(2)
	case doctor.Warning:
		return exitStatus(1)
	}
	return nil
}

// examined gathers the facts about the registry of a configuration.
func examined(ctx context.Context, cmd *cobra.Command, args []string) doctor.Facts {
	facts := doctor.Facts{At: time.Now()}
	variables := dropServiceVariables() // else the log has them
	config, p, err := readBoth(args)
	if err == nil {
		err = checkProxy(ctx, config.Proxy, driver.Parameters{}) // without its key, which may have to be made
	}
	if err != nil {
		facts.Config.Trouble = err.Error()
		facts.Config.Variables = variables
		return facts
	}
	ask(ctx, cmd, p, &facts)
	facts.Config = gather.Config(config, p)
	facts.Config.Variables = variables
	facts.Machine = gather.Machine(ctx, config, p, facts.Runs)
	return facts
}

// ask asks the running registry. The rest of the time is for its members.
func ask(ctx context.Context, cmd *cobra.Command, p driver.Parameters, facts *doctor.Facts) {
	soon, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	status, err := askRunning(soon, cmd, p, func() (driver.Status, error) { return driver.NewClient(p).Status(soon) })
	facts.Runs = err == nil || !errors.Is(err, driver.ErrNotRunning) || driver.InUse(p)
	if err != nil {
		facts.Late = errors.Is(err, context.DeadlineExceeded)
		facts.Silent = silence(cmd, err)
		return
	}
	facts.Status = &status
	facts.Swarm, facts.NoSwarm = heard(driver.NewClient(p).Swarm(ctx))
	facts.Reach, facts.NoReach = heard(driver.NewClient(p).Reach(ctx))
}

// heard is what a registry answered, or why it did not.
func heard[T any](v T, err error) (*T, string) {
	switch {
	case errors.Is(err, driver.ErrEarlier):
		return nil, "it is of an earlier release"
	case errors.Is(err, driver.ErrBusy):
		return nil, "it is asked by another just now"
	case errors.Is(err, context.DeadlineExceeded):
		return nil, "it did not answer in time"
	case err != nil:
		return nil, err.Error()
	}
	return &v, ""
}

// silence is why a registry could not be asked, in a line that does not repeat the command.
func silence(cmd *cobra.Command, err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("it does not answer within %s", askTimeout)
	}
	return strings.TrimPrefix(err.Error(), commandName(cmd)+": ")
}
