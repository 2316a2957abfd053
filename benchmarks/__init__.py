"""The commands behind the speed claims: each module prints the table that backs one."""
