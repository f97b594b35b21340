-- Secrets that nobody has looked at since they were bound: asked for after each write of a binding, among all there are.
create index secret_unseen on secret (source_id) where state = 'Unseen';
