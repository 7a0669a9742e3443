// Single sign-on at the device's door (docs/protocol.md section 6): who may ask what, and what the
// answers look like. oidc::RelyingParty does the rest.
//
//   GET  /.well-known/latchkey/sso          whether somebody is signed in
//   POST .../sso/start                      {redirect_uri?, issuer?, silent?, return_to?} -> {url}
//   GET  .../sso/start?return_to=/path      direct hosts: 303 to the provider, or a page to choose
//   one
//                     &issuer=...           which of several; &anew=1: asks whoever it knows
//                     already
//   GET  .../sso/callback                   direct hosts: where the provider sends the person back
//   POST .../sso/finish                     {state, code, iss} or {state, error, iss} ->
//   {return_to} POST .../sso/out                        {redirect_uri?} -> {url} POST
//   .../sso/device                     -> {user_code, verification_uri, ...} (RFC 8628) GET
//   .../sso/frontchannel-logout        direct hosts: the provider's logout page shows it
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "front/answers.h"
#include "front/page.h"
#include "grant/grant.h"
#include "grant/session.h"
#include "oidc/party.h"
#include "wire/http_head.h"

namespace latchkey::front {

inline constexpr std::string_view kSsoPath = "/.well-known/latchkey/sso";
inline constexpr std::size_t kMaxSsoBody = 16384;

enum class SsoAct { kState, kStart, kCallback, kFinish, kOut, kDevice, kFrontChannelLogout };
struct SsoPlace {
  std::string_view path;
  SsoAct act;
  std::string_view method;
  bool direct_only;
};
const SsoPlace* sso_place(std::string_view path);

// What the shell is to do; its body, where there is one, comes after this.
struct SsoRequest {
  SsoAct act;
  bool navigates = false;  // a person's window asked: the answer is a page, or leads to one
  Language language;
  std::string query;
  std::string authority;                  // of a direct host, for its own addresses
  std::optional<grant::Session> session;  // of all but kFrontChannelLogout
  std::string cookie;                     // of that session
};

// The two addresses on direct hosts that another site's page may lead to: a window that comes back
// from the provider, and the frame of its logout page.
bool comes_from_provider(const wire::HttpRequestHead& head, std::string_view path);

// --- reading ---

// Of start and device; `body` is JSON, or empty. Nothing: it is not what it should be, or would
// send the person somewhere that is not the grant's own: an origin grant's answers go to a page of
// that origin, a direct host's to itself.
std::optional<oidc::RelyingParty::Start> read_sso_start(const SsoRequest& request,
                                                        const grant::DeviceGrant& grant,
                                                        std::string_view body);
std::optional<oidc::RelyingParty::Answer> read_sso_finish(std::string_view body);
// A window that does not say which of several providers is meant is shown a page to choose on.
bool has_to_choose(const SsoRequest& request, const oidc::RelyingParty::Start& start,
                   const oidc::RelyingParty& party);
// Where the provider may send the person after logging out; empty where none was named.
std::optional<std::string> read_sso_out(const SsoRequest& request, const grant::DeviceGrant& grant,
                                        std::string_view body);
struct FrontChannelLogout {
  std::string issuer, session;
};
std::optional<FrontChannelLogout> read_frontchannel_logout(std::string_view query);

// --- answering ---

Answer sso_state_answer(const oidc::RelyingParty& party, grant::SessionId session);
// {url}, or 303 for a window.
Answer sso_redirect_answer(const SsoRequest& request, const std::string& url);
Answer sso_device_answer(const oidc::DeviceCodeShown& shown);
Answer sso_signed_in_answer(const std::string& return_to);
// {url}: where to end the session at the provider; null where there is nothing to do there.
Answer sso_out_answer(const std::string& url);
// {error, reason?, return_to?}, or a page with a way to begin once more. `return_to`: where the
// person had wanted to go, where that is known; empty, or a local path.
Answer sso_error_answer(const SsoRequest& request, const oidc::Error& error,
                        std::string_view return_to = {});

}  // namespace latchkey::front
