-- 0.2.0/61_member_resolution.sql: the resolution of all accounts as a task.

-- Not enabled at first: accounts that come one by one are resolved when they come.
INSERT INTO retail.task (name, function_name, run_every, description, enabled) VALUES
	('resolution', 'run_resolution', interval '1 day', 'Finds out which of all accounts are one person, those that were copied in too.', false)
	ON CONFLICT (name) DO NOTHING;
