#include "net/device_client.h"

#include <utility>

#include "crypto/x509.h"
#include "net/http1.h"
#include "wire/messages.h"

namespace latchkey::net {
namespace {

DeviceError device_error(const Error& error) {
  const bool silent = error.code == Error::Code::kRefused || error.code == Error::Code::kTimeout ||
                      error.code == Error::Code::kClosed || error.code == Error::Code::kSystem;
  return {silent ? DeviceError::Code::kUnreachable : DeviceError::Code::kBroken, error.detail,
          error.code == Error::Code::kTimeout};
}

tl::unexpected<DeviceError> broken(std::string detail) {
  return fail(DeviceError{DeviceError::Code::kBroken, std::move(detail)});
}

// The alert with which a device turns away ALPN latchkey-pair/1 while its window is closed.
bool is_alpn_refusal(const Error& error) {
  return error.code == Error::Code::kTls &&
         error.detail.find("no application protocol") != std::string::npos;
}

Result<std::shared_ptr<const TlsIdentity>> bare_identity(const crypto::PrivateKey& key) {
  return TlsIdentity::make(key, {crypto::make_bare_certificate(key)});
}

}  // namespace

Task<DeviceResult<PairLink>> connect_pairing(Executor executor, Endpoints endpoints) {
  DeviceError last{DeviceError::Code::kUnreachable, "no address"};
  for (const Endpoint& endpoint : endpoints) {
    TlsClientConfig config;
    config.alpn = {std::string(wire::kAlpnPair)};
    config.verify = VerifyNone{};  // the code proves the key, by the channel binding
    auto stream =
        co_await TlsStream::connect(executor, endpoint, std::move(config), after(kPerAddress));
    if (!stream) {
      if (is_alpn_refusal(stream.error())) {
        co_return fail(DeviceError{DeviceError::Code::kNotPairing, stream.error().detail});
      }
      last = device_error(stream.error());
      continue;
    }
    const auto binding = (*stream)->exporter(wire::kExporterPair);
    const auto certificate = (*stream)->peer_certificate();
    if (!binding || !certificate) {
      co_return broken("no channel binding");
    }
    auto key = crypto::certificate_key(*certificate);
    if (!key) {
      co_return broken(key.error().detail);
    }
    co_return PairLink{*std::move(stream), *binding, *std::move(key), endpoint};
  }
  co_return fail(std::move(last));
}

Task<DeviceResult<std::unique_ptr<ManageClient>>> ManageClient::connect(
    Executor executor, Endpoints endpoints, SpkiHash pinned, crypto::PrivateKey management_key) {
  const auto identity = bare_identity(management_key);
  if (!identity) {
    co_return broken(identity.error().detail);
  }
  DeviceError last{DeviceError::Code::kUnreachable, "no address"};
  for (const Endpoint& endpoint : endpoints) {
    const auto other_key = std::make_shared<bool>(false);
    TlsClientConfig config;
    config.alpn = {std::string(wire::kAlpnManage)};
    config.identity = *identity;
    config.verify = VerifyKey{[pinned, other_key](ByteSpan certificate) {
      const auto key = crypto::certificate_key(certificate);
      *other_key = !key || key->spki_hash() != pinned;
      return !*other_key;
    }};
    auto stream =
        co_await TlsStream::connect(executor, endpoint, std::move(config), after(kPerAddress));
    if (!stream) {
      last = *other_key ? DeviceError{DeviceError::Code::kOtherKey, stream.error().detail}
                        : device_error(stream.error());
      continue;
    }
    const auto exporter = (*stream)->exporter(wire::kExporterManage);
    if (!exporter) {
      co_return broken(exporter.error().detail);
    }
    co_return std::unique_ptr<ManageClient>(
        new ManageClient(*std::move(stream), *exporter, endpoint));
  }
  co_return fail(std::move(last));
}

Task<DeviceResult<ManageClient::Answer>> ManageClient::ask(Request request) {
  wire::HttpRequestHead head;
  head.method = std::move(request.method);
  head.target = std::move(request.target);
  head.fields.add("Host", "latchkey");
  head.fields.add("Latchkey-Time", std::to_string(request.now.unix_seconds));
  if (!request.body.empty()) {
    head.fields.add("Content-Type", "application/cbor");
  }
  auto answer = co_await exchange(http_, std::move(head), std::move(request.body), kMaxAnswer,
                                  after(kAnswerTime));
  if (!answer) {
    co_return fail(device_error(answer.error()));
  }
  co_return Answer{answer->head.status, std::move(answer->body)};
}

Task<DeviceResult<void>> try_host(Executor executor, Endpoint endpoint, HostName host, Bytes root,
                                  Bytes leaf) {
  TlsClientConfig config;
  config.sni = host.text();
  config.alpn = {"http/1.1"};
  config.verify = VerifyRoot{std::move(root), host.text(), std::nullopt};
  const auto stream =
      co_await TlsStream::connect(executor, endpoint, std::move(config), after(kPerAddress));
  if (!stream) {
    co_return fail(device_error(stream.error()));
  }
  if ((*stream)->peer_certificate() != leaf) {
    co_return fail(DeviceError{DeviceError::Code::kOtherKey, "another certificate is shown"});
  }
  co_await (*stream)->shutdown();
  co_return DeviceResult<void>{};
}

}  // namespace latchkey::net
