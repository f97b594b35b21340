-- Which bindings aim at a Secret of some name: asked at each write of a binding that has one.
create index binding_secret_name on binding ((spec -> 'delivered' -> 'target' -> 'Secret' ->> 'name')) where deleted_at is null;
