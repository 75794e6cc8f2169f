package doctor

import "strings"

var (
	configUnusable = Kind{
		"config-unusable", Broken,
		"The registry does not start with this configuration.",
		"Correct what the line names; [Configuration](configuration.md) has every key.",
	}
	variablesIgnored = Kind{
		"variables-ignored", Warning,
		"Kubernetes sets them for a Service whose name begins with `registry`; distribution would read each as a key of its configuration.",
		"Set `enableServiceLinks: false` in the pod, or give the Service another name.",
	}
	keyUnusable = Kind{
		"key-unusable", Broken,
		"The registry does not start, or is another one than before.",
		"Do what the line says. The protector key comes from a member, the private key from a backup.",
	}
	keyExposed = Kind{
		"key-exposed", Warning,
		"Every user of this machine can read the key: with the protector key it joins the swarm, with the private key it is this registry.",
		"`chmod 0600` the file, as the registry's own user.",
	}
	listUnusable = Kind{
		"list-unusable", Broken,
		"The running registry goes by the last list that it could read, and would not start with this one.",
		"Do what the line says: a peer ID a line, `#` before a comment ([Lists of peers](configuration.md#lists-of-peers)).",
	}
)

func configurationChecks() []Check {
	return []Check{
		{
			"configuration", "the configuration can be used", Nothing, []Kind{configUnusable, variablesIgnored},
			func(f Facts) (all []Finding) {
				if f.Config.Trouble != "" {
					all = append(all, configUnusable.found("", "%s", f.Config.Trouble))
				}
				if v := f.Config.Variables; len(v) > 0 {
					all = append(all, variablesIgnored.found("", "variables of the environment are ignored: %s", strings.Join(v, " ")))
				}
				return all
			},
		},
		{
			"keys", "key files can be read, and by the registry's user only", Configuration, []Kind{keyUnusable, keyExposed},
			func(f Facts) (all []Finding) {
				for _, k := range f.Machine.Keys {
					if k.Unknown != "" {
						all = append(all, unknown(k.Name, "%s", k.Unknown))
					}
					if k.Trouble != "" {
						all = append(all, keyUnusable.found(k.Name, "%s", k.Trouble))
					}
					if k.Exposed {
						all = append(all, keyExposed.found(k.Name, "every user of this machine can read %s", k.Path))
					}
				}
				return all
			},
		},
		{
			"lists", "files with lists of peers can be read", Configuration, []Kind{listUnusable},
			func(f Facts) (all []Finding) {
				for _, l := range f.Machine.Lists {
					if l.Unknown != "" {
						all = append(all, unknown(l.Name, "%s", l.Unknown))
					}
					if l.Trouble != "" {
						all = append(all, listUnusable.found(l.Name, "%s: %s", l.Path, l.Trouble))
					}
				}
				return all
			},
		},
	}
}
