-- When a server had loaded a version after its alias had moved there: one row a promotion or rollback, by the
-- first server. A role that may not create schemas works where an administrator has made this one.
create table serving.deployments (
    model_name       text         not null,
    model_version    integer      not null,
    model_alias      text         not null,
    promoted_at      timestamptz  not null,  -- of the history: when the alias moved
    loaded_at        timestamptz  not null,
    first_answer_at  timestamptz,            -- filled before the predictions that show it are pruned
    primary key (model_name, model_alias, promoted_at, model_version)
);
