//! Volumes of pods, on all the real parts: OpenBao, Postgres, a kube-apiserver, and the Secrets Store CSI driver itself.

mod classes;
mod mounting;
mod outage;
mod refused;
mod replicas;
mod rollout;
mod storm;
mod world;
