-- Runs of pipelines and their steps. A role that may not create schemas works where an administrator has made
-- this one.
do $$
begin
    if to_regnamespace('pipelines') is null then
        create schema pipelines;
    end if;
end
$$;

create table pipelines.runs (
    id          uuid         primary key,                -- version 7
    pipeline    text         not null,
    status      text         not null check (status in ('running', 'done', 'failed', 'refused', 'stopped')),
    started_at  timestamptz  not null,
    ended_at    timestamptz,                             -- null while it runs, or if it was killed
    actor       text         not null,
    host        text         not null,                   -- of the process that runs it
    start_from  text,                                    -- `--from`
    only_steps  text[]       not null default '{}',      -- `--only`
    change      bigint       not null                    -- grows: an older state never replaces a newer one
);
create index runs_pipeline on pipelines.runs (pipeline, started_at desc, id desc);
create index runs_started_at on pipelines.runs (started_at desc, id desc);

create table pipelines.steps (
    run_id       uuid              not null references pipelines.runs (id) on delete cascade,
    position     integer           not null,             -- in the order in which steps may run, from 0
    name         text              not null,
    status       text              not null,             -- waiting, running, done, failed, refused, skipped, stopped
    tries        integer           not null,
    exit         integer,                                -- of the last try; null if there was none
    seconds      double precision,                       -- of all tries
    started_at   timestamptz,
    ended_at     timestamptz,
    reason       text              not null default '',  -- why it did not end as done: one line
    fingerprint  text              not null,             -- of the step in pipeline.yaml
    result       jsonb,                                  -- the JSON that it printed
    primary key (run_id, position)
);
