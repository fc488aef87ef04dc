"""The `ocs` command: `main` dispatches, `options` has the arguments, the other modules run sub-commands."""
