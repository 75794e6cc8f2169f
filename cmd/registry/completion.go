package main

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// completionTime is how long a shell waits for the running registry, at most.
const completionTime = 2 * time.Second

// completeConfigs has shells complete the file of a configuration for each command that takes one, and
// does not say otherwise.
func completeConfigs(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && strings.Contains(cmd.Use, " <config>") {
		cmd.ValidArgsFunction = completeAfterConfig(0, nil)
	}
	for _, sub := range cmd.Commands() {
		completeConfigs(sub)
	}
}

// namesOfRunning are names that begin in a certain way, as a running registry knows them.
type namesOfRunning func(ctx context.Context, c *driver.Client, begin string) ([]cobra.Completion, error)

// completeAfterConfig has shells complete the file of a configuration, and after it up to most names. A
// registry that does not run, or does not answer in time, has none.
func completeAfterConfig(most int, names namesOfRunning) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 && os.Getenv(configVariable) == "" {
			return []cobra.Completion{"yml", "yaml"}, cobra.ShellCompDirectiveFilterFileExt
		}
		config, rest := configAnd(args)
		if len(rest) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, err := namesAt(cmd.Context(), config, names, begin)
		if err != nil {
			cobra.CompDebugln(err.Error(), false)
		}
		directive := cobra.ShellCompDirectiveNoFileComp
		if slices.ContainsFunc(found, func(name string) bool { return strings.HasSuffix(name, ":") }) {
			directive |= cobra.ShellCompDirectiveNoSpace // a tag follows
		}
		return found, directive
	}
}

// completeRepositories has shells complete the repository that a flag takes, after the configuration.
func completeRepositories(cmd *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
	config, _ := configAnd(args)
	found, err := namesAt(cmd.Context(), config, repositories, begin)
	if err != nil {
		cobra.CompDebugln(err.Error(), false)
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func namesAt(ctx context.Context, config []string, names namesOfRunning, begin string) ([]cobra.Completion, error) {
	p, err := readParameters(config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	found, err := names(ctx, driver.NewClient(p), begin)
	return slices.DeleteFunc(found, func(offered cobra.Completion) bool {
		name, _, _ := strings.Cut(offered, "\t")
		return !strings.HasPrefix(name, begin) || !oneWord.MatchString(name)
	}), err
}

func repositories(ctx context.Context, c *driver.Client, begin string) ([]cobra.Completion, error) {
	all, err := c.Names(ctx, driver.NamesOptions{Prefix: begin})
	return all.Repositories, err
}

// images are repositories, and once one is named its tags.
func images(ctx context.Context, c *driver.Client, begin string) (found []cobra.Completion, err error) {
	repository, tag, named := strings.Cut(begin, ":")
	if !named {
		all, err := repositories(ctx, c, begin)
		for _, name := range all {
			found = append(found, name+":")
		}
		return found, err
	}
	all, err := c.Names(ctx, driver.NamesOptions{Repository: repository, Prefix: tag})
	for _, t := range all.Tags {
		found = append(found, cobra.CompletionWithDesc(repository+":"+t.Name, shortDigest(t.Digest)+", pushed "+humanize.Time(t.Set)))
	}
	return found, err
}

// members completes some of them, by their names where these tell them apart.
func members(may func(driver.Member) bool) func(context.Context, *driver.Client, string) ([]cobra.Completion, error) {
	return func(ctx context.Context, c *driver.Client, _ string) ([]cobra.Completion, error) {
		status, err := c.Status(ctx)
		return named(status.Members, may), err
	}
}

func anyMember(driver.Member) bool { return true }
func isAway(m driver.Member) bool  { return !m.Connected }

// oneWord is a name that every shell takes for one word, and for nothing else: a shell writes what is
// completed into the command line, and runs what is in it.
var oneWord = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:@/-]*$`)

func named(members []driver.Member, may func(driver.Member) bool) (found []cobra.Completion) {
	called := map[string]int{}
	for _, m := range members {
		called[m.Name]++
	}
	for _, m := range members {
		if !may(m) {
			continue
		}
		name := m.PeerID
		if called[m.Name] == 1 && oneWord.MatchString(m.Name) {
			name = m.Name
		}
		state := "connected "
		if !m.Connected {
			state = "lost "
		}
		found = append(found, cobra.CompletionWithDesc(name, state+humanize.Time(m.Since)))
	}
	return found
}
