"""Every speed claim's command: each module prints the table that backs one."""
