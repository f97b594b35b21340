-- By whose tokens an agent may join a cluster without a join token: the issuer of the cluster's service accounts, its public keys, and which account.
alter table cluster add column service_account_issuer jsonb;
