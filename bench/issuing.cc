// What issuing costs beside the cryptography that it cannot do without.
//
// "issue" is the agent's work for a new grant: check the request, make the grant's CA, make the
// leaf, each compared with its template. "bare" is one P-256 key generation, one verification and
// two signatures by direct EVP calls, in the same run. The closing line prints their ratio.
#include <benchmark/benchmark.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/x509.h"
#include "median_reporter.h"
#include "pairing/code.h"
#include "pki/pki.h"
#include "support/fake_random.h"

namespace {

using namespace latchkey;  // NOLINT(google-build-using-namespace)

constexpr WallTime kNow{1'800'000'000};

struct PkeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct MdCtxFree {
  void operator()(EVP_MD_CTX* ctx) const { EVP_MD_CTX_free(ctx); }
};
using Pkey = std::unique_ptr<EVP_PKEY, PkeyFree>;
using MdCtx = std::unique_ptr<EVP_MD_CTX, MdCtxFree>;

// About the size of what a certificate's signature covers.
const Bytes kMessage(400, 7);

Bytes bare_sign(EVP_PKEY* key) {
  const MdCtx ctx(EVP_MD_CTX_new());
  Bytes signature(80);
  std::size_t size = signature.size();
  LATCHKEY_CHECK(EVP_DigestSignInit(ctx.get(), nullptr, EVP_sha256(), nullptr, key) == 1);
  LATCHKEY_CHECK(
      EVP_DigestSign(ctx.get(), signature.data(), &size, kMessage.data(), kMessage.size()) == 1);
  signature.resize(size);
  return signature;
}

void bare_verify(EVP_PKEY* key, const Bytes& signature) {
  const MdCtx ctx(EVP_MD_CTX_new());
  LATCHKEY_CHECK(EVP_DigestVerifyInit(ctx.get(), nullptr, EVP_sha256(), nullptr, key) == 1);
  LATCHKEY_CHECK(EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), kMessage.data(),
                                  kMessage.size()) == 1);
}

void bare(benchmark::State& state) {
  const Pkey signer(EVP_EC_gen("P-256"));
  const Bytes signature = bare_sign(signer.get());
  for (auto _ : state) {
    const Pkey key(EVP_EC_gen("P-256"));
    bare_verify(signer.get(), signature);
    benchmark::DoNotOptimize(bare_sign(signer.get()));
    benchmark::DoNotOptimize(bare_sign(key.get()));
  }
}

class Issuer {
 public:
  void issue() {
    const auto key = pki::accept_csr(csr_, {});
    const auto ca = pki::make_grant_ca(root_, host_, kNow, random_);
    const auto leaf = pki::issue_leaf(*ca, host_, *key, kNow, random_);
    LATCHKEY_CHECK(leaf.has_value());
  }
  void renew() {
    const auto key = pki::accept_csr(csr_, {});
    LATCHKEY_CHECK(pki::issue_leaf(ca_, host_, *key, kNow, random_).has_value());
  }
  void check_csr() { LATCHKEY_CHECK(pki::accept_csr(csr_, {}).has_value()); }

 private:
  testing::FakeRandom random_;
  HostName host_ = *HostName::parse("media-cache-k3f7x2m7q4ab.local");
  pki::Authority root_ = *pki::make_user_root(crypto::PrivateKey::generate(), {}, kNow, random_);
  pki::Authority ca_ = *pki::make_grant_ca(root_, host_, kNow, random_);
  Bytes csr_ = crypto::make_csr(crypto::PrivateKey::generate());
};

void issue(benchmark::State& state) {
  Issuer issuer;
  for (auto _ : state) {
    issuer.issue();
  }
}
void renew(benchmark::State& state) {
  Issuer issuer;
  for (auto _ : state) {
    issuer.renew();
  }
}
void check_csr(benchmark::State& state) {
  Issuer issuer;
  for (auto _ : state) {
    issuer.check_csr();
  }
}

// What a person's typing hides: shown apart from enrolment.
void password_key(benchmark::State& state) {
  const auto code = pairing::PairingCode::parse("12345678", wire::CodeKind::kDigits8);
  const Bytes salt(16, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(pairing::derive_password_key(*code, salt, 100000));
  }
}

// Interleaved repetitions, so that a slow moment of the machine hits both sides of the ratio.
BENCHMARK(bare)->Repetitions(7)->ReportAggregatesOnly(true);
BENCHMARK(issue)->Repetitions(7)->ReportAggregatesOnly(true);
BENCHMARK(renew)->Repetitions(7)->ReportAggregatesOnly(true);
BENCHMARK(check_csr)->Repetitions(7)->ReportAggregatesOnly(true);
BENCHMARK(password_key)->Repetitions(3)->ReportAggregatesOnly(true)->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  bench::initialize(argc, argv);
  bench::MedianReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  const double bare_time = reporter.medians["bare"];
  const double issue_time = reporter.medians["issue"];
  if (bare_time > 0 && issue_time > 0) {
    std::printf(
        "\nissuing: %.0f a second on one core; of its time %.0f %% is the bare cryptography\n",
        1e9 / issue_time, 100 * bare_time / issue_time);
  }
  return 0;
}
