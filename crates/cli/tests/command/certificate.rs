use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::run::Place;

/// A TLS server with a certificate of its own making for `name`; gives its port and the certificate.
fn serve(name: &str) -> (u16, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            // The client hangs up, which is what the tests are about.
            let _ = StreamOwned::new(connection, stream.unwrap()).read(&mut [0]);
        }
    });
    (port, cert.pem())
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_with_what_to_do() {
    let (port, _) = serve("localhost");
    let place = Place::new().with("LOCKSTEP_TOKEN", "t0ken");
    let done = place.run(&format!("status --server https://localhost:{port}"));
    done.failed_with(1, "shows a certificate that is not trusted");
    assert!(done.stderr.contains("--certificate-authority FILE"), "{done:?}");
}

#[test]
fn a_certificate_for_another_host_is_told_as_that() {
    let (port, pem) = serve("lockstep.example.com");
    let place = Place::new().with("LOCKSTEP_TOKEN", "t0ken").with("LOCKSTEP_CERTIFICATE_AUTHORITY", "ca.pem");
    place.write("ca.pem", &pem);
    let done = place.run(&format!("status --server https://localhost:{port}"));
    done.failed_with(1, "shows a certificate that is not trusted");
    assert!(done.stderr.contains("localhost") && done.stderr.contains("lockstep.example.com"), "{done:?}");
}
