//! Volumes of pods, on all the real parts: OpenBao, Postgres, a kube-apiserver, and the Secrets Store CSI driver itself.

mod mounting;
mod world;
