"""Statistics of tables that anybody may have made: a module per sub-command, none of which imports torch."""
