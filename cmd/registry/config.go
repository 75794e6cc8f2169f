package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// defaultDrain is how long requests may take to end after SIGTERM when http.draintimeout is
// unset: upstream would then end at once, and never close its storage.
const defaultDrain = 30 * time.Second

// configVariable names the configuration where the arguments do not.
const configVariable = "REGISTRY_CONFIGURATION_PATH"

// afterConfig are the arguments of a command that takes n more after its configuration, unless the
// environment names that. what says which ones they are.
func afterConfig(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.RangeArgs(n, n+1)(cmd, args); err != nil {
			return err
		}
		if len(args) == n && os.Getenv(configVariable) == "" {
			return fmt.Errorf("ipfs %s: name the configuration and %s", cmd.Name(), what)
		}
		return nil
	}
}

// readConfig reads the configuration as upstream does: from the file that the argument, or
// else the environment, names.
func readConfig(args []string) (*configuration.Configuration, error) {
	path := os.Getenv(configVariable)
	if len(args) > 0 {
		path = args[0]
	}
	if path == "" {
		return nil, errors.New("configuration: name a file, or set " + configVariable)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer func() { _ = f.Close() }()
	ignored := dropServiceVariables()
	release := holdLogs()
	back := hide(configVariable)
	config, err := configuration.Parse(f)
	back()
	if err == nil {
		setUpLogs(config.Log)
	}
	release()
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	preferEnvironment(config.Storage.Parameters())
	if config.HTTP.DrainTimeout == 0 {
		config.HTTP.DrainTimeout = defaultDrain
	}
	if len(ignored) > 0 {
		logrus.WithField("variables", strings.Join(ignored, " ")).Warn("environment: variables of a Kubernetes Service are ignored; enableServiceLinks: false in the pod keeps them away")
	}
	return config, nil
}

// readParameters reads the ipfs: block of a configuration.
func readParameters(args []string) (driver.Parameters, error) {
	_, p, err := readBoth(args)
	return p, err
}

// readBoth reads a configuration, and its ipfs: block.
func readBoth(args []string) (*configuration.Configuration, driver.Parameters, error) {
	config, err := readConfig(args)
	if err != nil {
		return nil, driver.Parameters{}, err
	}
	if config.Storage.Type() != driver.Name {
		return nil, driver.Parameters{}, fmt.Errorf("storage: is %s, not ipfs", config.Storage.Type())
	}
	p, err := driver.ParseParameters(config.Storage.Parameters())
	return config, p, err
}
