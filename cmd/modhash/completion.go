// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/spf13/cobra"

const completionLong = `Prints the completions for a shell. Packages install them as

  bash  /usr/share/bash-completion/completions/modhash
  zsh   /usr/share/zsh/site-functions/_modhash
  fish  /usr/share/fish/vendor_completions.d/modhash.fish`

func (a *app) completion() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "print shell completions",
		Long:      completionLong,
		Example:   "$ modhash completion bash | head -1\n# bash completion V2 for modhash                              -*- shell-script -*-",
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("want one shell: bash, zsh or fish")
			}
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return usageError("no completions for %q, want bash, zsh or fish", args[0])
		},
	}
}
