//! The key exchange on P-521, which Go offers too and rustls leaves out: some servers allow no other curve.

use aws_lc_rs::agreement::{ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// The first byte of a point that is not compressed; TLS knows no others.
const UNCOMPRESSED: u8 = 4;

/// The group.
#[derive(Debug)]
pub(super) struct P521;

struct Exchange {
    private: EphemeralPrivateKey,
    public: PublicKey,
}

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let private =
            EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new()).map_err(|_| GetRandomFailed)?;
        let public = private.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange { private, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let refused = || Error::from(PeerMisbehaved::InvalidKeyShare);
        if peer.first() != Some(&UNCOMPRESSED) {
            return Err(refused());
        }
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer);
        agree_ephemeral(self.private, peer, refused(), |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::version::{TLS12, TLS13};
    use rustls::{ClientConnection, ServerConfig, ServerConnection, Stream};

    use super::*;
    use crate::tls::{Authorities, TlsPlan};

    #[test]
    fn a_server_that_allows_no_other_curve_is_talked_to() {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        for version in [&TLS12, &TLS13] {
            let mut provider = rustls::crypto::aws_lc_rs::default_provider();
            provider.kx_groups = vec![&P521];
            let config = ServerConfig::builder_with_provider(Arc::new(provider))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = std::thread::spawn(move || {
                let mut socket = listener.accept().unwrap().0;
                let mut session = ServerConnection::new(Arc::new(config)).unwrap();
                Stream::new(&mut session, &mut socket).write_all(b"hello").unwrap();
                session.send_close_notify();
                session.write_tls(&mut socket).unwrap();
            });
            let plan = TlsPlan {
                authorities: Authorities::Given(vec![certificate.der().clone()]),
                server_name: None,
                insecure: false,
            };
            let config = plan.client_config(None).unwrap();
            let mut session = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
            let mut socket = TcpStream::connect(address).unwrap();
            let mut said = String::new();
            Stream::new(&mut session, &mut socket).read_to_string(&mut said).unwrap();
            assert_eq!(said, "hello");
            let group = session.negotiated_key_exchange_group().unwrap();
            assert_eq!(group.name(), NamedGroup::secp521r1);
            server.join().unwrap();
        }
    }

    #[test]
    fn a_share_that_is_no_plain_point_is_refused() {
        let other = P521.start().unwrap();
        let mut compressed = vec![2];
        compressed.extend(&other.pub_key()[1..67]);
        for share in [&b""[..], &[4], &other.pub_key()[..132], &compressed] {
            assert!(P521.start().unwrap().complete(share).is_err());
        }
        let (one, two) = (P521.start().unwrap(), P521.start().unwrap());
        let (first, second) = (one.pub_key().to_vec(), two.pub_key().to_vec());
        let secrets = (one.complete(&second).unwrap(), two.complete(&first).unwrap());
        assert_eq!(secrets.0.secret_bytes(), secrets.1.secret_bytes());
    }
}
