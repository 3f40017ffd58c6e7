-- Data sets. The rows of the data set NAME are in raw_data.NAME and, cleaned and split, in the view
-- clean_data.NAME on its newest version. Names with an underscore first are ours: no data set has one.
create schema if not exists raw_data;
create schema if not exists clean_data;

create table raw_data._loads (
    id           bigint       generated always as identity primary key,
    dataset      text         not null,
    mode         text         not null,   -- replace, append or merge
    source       text         not null,   -- as messages name it, without secrets
    fingerprint  text         not null,   -- SHA-256 of what was loaded
    rows         bigint       not null,   -- of the table afterwards
    added        bigint       not null,
    updated      bigint       not null,
    unchanged    bigint       not null,
    set_aside    bigint       not null,
    columns      jsonb        not null,   -- [{"name", "source", "type"}], in the table's order
    settings     jsonb        not null,   -- what the file said, or what was found, on how to read the source
    actor        text         not null,
    started_at   timestamptz  not null,
    finished_at  timestamptz  not null default clock_timestamp()
);
create index loads_dataset on raw_data._loads (dataset, id desc);

-- Rows that could not be read, as they stood in the source.
create table raw_data._bad_rows (
    load     bigint  not null references raw_data._loads (id) on delete cascade,
    source   text    not null,
    line     bigint,                      -- in the file, from 1; null where a source has no lines
    reason   text    not null,
    content  text    not null
);
create index bad_rows_load on raw_data._bad_rows (load);

create table raw_data._checks (
    id          bigint       generated always as identity primary key,
    dataset     text         not null,
    load        bigint       not null,    -- the newest load that the checks saw
    ok          boolean      not null,
    results     jsonb        not null,    -- [{"check", "ok", "wrong", "examples"}]
    actor       text         not null,
    checked_at  timestamptz  not null default clock_timestamp()
);
create index checks_dataset on raw_data._checks (dataset, id desc);

create table clean_data._versions (
    dataset      text         not null,
    version      integer      not null check (version > 0),
    load         bigint       not null,   -- the newest load that it was made from
    fingerprint  text         not null,   -- of its rows and their split
    rows         bigint       not null,
    splits       jsonb        not null,   -- {"train": n, "validation": n, "test": n}
    columns      jsonb        not null,   -- [{"name", "type"}], in the table's order
    learned      jsonb        not null,   -- what steps learned on the training rows
    settings     jsonb        not null,   -- clean, split, key and weights of dataset.yaml
    table_name   text,                    -- in clean_data; null once its rows have been pruned
    actor        text         not null,
    created_at   timestamptz  not null default clock_timestamp(),
    primary key (dataset, version)
);
