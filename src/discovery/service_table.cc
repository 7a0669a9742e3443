#include "discovery/service_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "discovery/txt.h"

namespace latchkey::discovery {
namespace {

bool is_local_host(std::string_view host) {
  constexpr std::string_view kSuffix = ".local";
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  return host.size() > kSuffix.size() && host.size() <= 253 && host.ends_with(kSuffix);
}

}  // namespace

bool better_endpoint(const Endpoint& a, const Endpoint& b) {
  const auto rank = [](const Endpoint& e) {
    return std::tuple(e.address.is_link_local(), e.address.family(), e);
  };
  return rank(a) < rank(b);
}

std::optional<Candidate> judge(const Resolved& resolved, const Link& link,
                               std::string_view wanted_type, Loopback loopback) {
  if (!resolved.address || resolved.port == 0 || !is_local_host(resolved.host) ||
      !is_candidate(*resolved.address, loopback)) {
    return std::nullopt;
  }
  auto text = read_text(resolved.text);
  if (!text || (!wanted_type.empty() && text->type != wanted_type)) {
    return std::nullopt;
  }
  // Only link-local addresses mean something else on another link.
  const std::uint32_t scope = resolved.address->is_link_local() ? link.interface : 0;
  return Candidate{std::move(text->type), text->window_open, text->rid,
                   Endpoint{*resolved.address, scope, resolved.port}};
}

ServiceTable::SeenResult ServiceTable::announced(const std::string& name, std::uint32_t interface) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return {};
  }
  if (const auto found = rows_.find(name); found != rows_.end()) {
    auto& interfaces = found->second.interfaces;
    if (std::find(interfaces.begin(), interfaces.end(), interface) != interfaces.end()) {
      return {Seen::kKnown, {}};
    }
    if (interfaces.size() >= kMaxLinksPerService) {
      return {};
    }
    interfaces.push_back(interface);
    return {Seen::kNew, {}};
  }
  SeenResult result{Seen::kNew, {}};
  if (!has_room()) {
    const auto victim = evictable();
    overflowed_ = true;
    if (victim == rows_.end()) {
      return {};
    }
    result.evicted = victim->first;
    forget(victim);
  }
  Row row;
  row.order = next_order_++;
  row.interfaces.push_back(interface);
  rows_.emplace(name, std::move(row));
  return result;
}

std::map<std::string, ServiceTable::Row>::iterator ServiceTable::evictable() {
  auto oldest = rows_.end();
  for (auto row = rows_.begin(); row != rows_.end(); ++row) {
    if (row->second.candidates.empty() && !row->second.told &&
        (oldest == rows_.end() || row->second.order < oldest->second.order)) {
      oldest = row;
    }
  }
  return oldest;
}

void ServiceTable::forget(std::map<std::string, Row>::iterator row) {
  // Names told about are bounded by the table, so this list is too: a name is told again only
  // after take_events() emptied it.
  if (row->second.told) {
    lost_.push_back(row->first);
  }
  rows_.erase(row);
}

void ServiceTable::withdrawn(const std::string& name, std::uint32_t interface) {
  const auto found = rows_.find(name);
  if (found == rows_.end()) {
    return;
  }
  Row& row = found->second;
  std::erase(row.interfaces, interface);
  std::erase_if(row.candidates, [&](const auto& c) { return c.first.interface == interface; });
  row.dirty = true;
  if (row.interfaces.empty()) {
    forget(found);
  }
}

void ServiceTable::resolved(const std::string& name, const Link& link, const Resolved& resolved) {
  const auto found = rows_.find(name);
  if (found == rows_.end()) {
    return;
  }
  Row& row = found->second;
  if (std::find(row.interfaces.begin(), row.interfaces.end(), link.interface) ==
      row.interfaces.end()) {
    return;
  }
  if (auto candidate = judge(resolved, link, wanted_type_, loopback_)) {
    row.candidates.insert_or_assign(link, std::move(*candidate));
  } else {
    row.candidates.erase(link);
  }
  row.dirty = true;
}

void ServiceTable::unresolved(const std::string& name, const Link& link) {
  if (const auto found = rows_.find(name); found != rows_.end()) {
    found->second.dirty = found->second.candidates.erase(link) > 0 || found->second.dirty;
  }
}

void ServiceTable::clear() {
  while (!rows_.empty()) {
    forget(rows_.begin());
  }
  overflowed_ = false;
}

// The first link's word counts; other links add addresses only where they say the same, so that a
// namesake on another link cannot mix its address into this one.
std::optional<FoundService> ServiceTable::service(const std::string& name, const Row& row) {
  if (row.candidates.empty()) {
    return std::nullopt;
  }
  const Candidate& first = row.candidates.begin()->second;
  FoundService service;
  service.key = name;
  service.name = clean_display_name(name, kMaxNameBytes);
  service.type = first.type;
  service.window_open = first.window_open;
  service.rid = first.rid;
  for (const auto& [link, candidate] : row.candidates) {
    const bool same = candidate.type == first.type && candidate.rid == first.rid &&
                      candidate.endpoint.port == first.endpoint.port;
    if (same && std::find(service.endpoints.begin(), service.endpoints.end(), candidate.endpoint) ==
                    service.endpoints.end()) {
      service.endpoints.push_back(candidate.endpoint);
    }
  }
  std::sort(service.endpoints.begin(), service.endpoints.end(), better_endpoint);
  if (service.endpoints.size() > kMaxEndpoints) {
    service.endpoints.erase(service.endpoints.begin() + kMaxEndpoints, service.endpoints.end());
  }
  return service;
}

std::vector<SourceEvent> ServiceTable::take_events() {
  std::vector<SourceEvent> events;
  for (auto& name : std::exchange(lost_, {})) {
    events.emplace_back(Lost{std::move(name)});
  }
  for (auto& [name, row] : rows_) {
    if (!std::exchange(row.dirty, false)) {
      continue;
    }
    auto now = service(name, row);
    if (now == row.told) {
      continue;
    }
    if (!now) {
      events.emplace_back(Lost{name});
    } else if (!row.told) {
      events.emplace_back(Found{*now});
    } else {
      events.emplace_back(Changed{*now});
    }
    row.told = std::move(now);
  }
  return events;
}

}  // namespace latchkey::discovery
