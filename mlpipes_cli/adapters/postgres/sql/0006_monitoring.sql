-- Checks of models in use, alerts that have to go out, and trainings that a check set off. A role that may not
-- create schemas works where somebody else has made this one.
do $$
begin
    if to_regnamespace('monitoring') is null then
        create schema monitoring;
    end if;
end
$$;

create table monitoring.checks (
    id          uuid              primary key,           -- version 7
    checked_at  timestamptz       not null default clock_timestamp(),
    model       text              not null,
    version     integer           not null,
    alias       text,                                    -- by which the version was chosen; null if by number
    since       timestamptz,                             -- of the window; null where it was given in rows
    until       timestamptz       not null,
    rows        bigint            not null,              -- that were compared
    alarm       boolean           not null,
    enough      boolean           not null,              -- whether there were rows enough for a statement
    alpha       double precision  not null,
    cause       text              not null,              -- manual, scheduled, ...
    actor       text              not null,
    seconds     double precision  not null,
    result      jsonb             not null               -- what `mlpipes monitor --json` printed
);
create index checks_model on monitoring.checks (model, version, checked_at desc, id desc);
create index checks_checked_at on monitoring.checks (checked_at);

-- An outbox: one row for each event and channel, so that no event is sent twice through one channel.
create table monitoring.deliveries (
    event       text         not null,                   -- such as alarm:ID of the first check of an alarm
    channel     text         not null,                   -- its name in mlpipes.yaml
    check_id    uuid         references monitoring.checks (id) on delete set null,
    message     jsonb        not null,                   -- without input values
    state       text         not null default 'waiting' check (state in ('waiting', 'sent', 'dropped')),
    attempts    integer      not null default 0,
    next_try    timestamptz  not null default clock_timestamp(),
    last_error  text,
    created_at  timestamptz  not null default clock_timestamp(),
    sent_at     timestamptz,
    primary key (event, channel)
);
create index deliveries_waiting on monitoring.deliveries (next_try) where state = 'waiting';
create index deliveries_check on monitoring.deliveries (check_id);

create table monitoring.retrainings (
    id          uuid         primary key,                -- version 7
    model       text         not null,
    cause       text         not null,                   -- manual, drift, performance or truth
    check_id    uuid         references monitoring.checks (id) on delete set null,
    started_at  timestamptz  not null default clock_timestamp(),
    ended_at    timestamptz,                             -- null while it runs, or if it was killed
    outcome     text,                                    -- promoted, refused, failed, ...
    detail      text         not null default '',        -- one line
    run_id      text,
    version     integer,
    actor       text         not null
);
create index retrainings_model on monitoring.retrainings (model, started_at desc);
create index retrainings_check on monitoring.retrainings (check_id);
