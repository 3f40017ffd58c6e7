-- trace_id is the caller's W3C trace. shadow_of names the prediction that went out, where this one is
-- a challenger's to the same row and did not.
alter table serving.predictions
    add column trace_id   text,
    add column shadow_of  uuid;

create index predictions_shadow_of on serving.predictions (shadow_of) where shadow_of is not null;
