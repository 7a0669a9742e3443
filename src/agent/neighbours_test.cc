#include "agent/neighbours.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"

namespace latchkey::agent {
namespace {

grant::Binding bound(std::uint8_t number, const std::string& name) {
  ByteArray<32> id{};
  id[0] = number;
  grant::Binding binding{.device = DeviceId(id),
                         .boot_spki = {},
                         .management_key = crypto::PrivateKey::generate(),
                         .discovery_key = {},
                         .name = name,
                         .type = "media-cache",
                         .model = "M1",
                         .firmware = {},
                         .address = "192.168.1.7",
                         .port = 8443,
                         .bound_at = {1},
                         .reset = false};
  binding.discovery_key[0] = number;
  return binding;
}

ByteArray<12> rid_of(const grant::Binding& binding) {
  ByteArray<12> rid{1, 2, 3, 4};
  const auto mac =
      crypto::hmac_sha256(binding.discovery_key, {as_bytes("rid"), ByteSpan(rid).first(4)});
  std::copy_n(mac.begin(), 8, rid.begin() + 4);
  return rid;
}

Announced announced(const std::string& service, const std::string& name) {
  return {service, name, "media-cache", true, ByteArray<12>{9}, "192.168.1.50", 8443};
}

TEST(Neighbours, KnowsADeviceByItsRid) {
  const auto mine = bound(1, "Kitchen");
  auto service = announced("a", "Whatever");
  service.rid = rid_of(mine);
  const auto found = match(service, {&mine, 1});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->device, mine.device);
  EXPECT_FALSE(found->by_address);
  service.rid = ByteArray<12>{7};
  service.address = mine.address;
  EXPECT_FALSE(match(service, {&mine, 1})) << "an address is no hint where there is a rid";
  service.rid = std::nullopt;
  ASSERT_TRUE(match(service, {&mine, 1}));
  EXPECT_TRUE(match(service, {&mine, 1})->by_address);
}

// A device that was paired with nearby, and has not been seen in the network yet, has no address.
TEST(Neighbours, Row42WhoShowsTheServiceAndNothingElseIsNobodysDevice) {
  auto mine = bound(1, "Kitchen");
  mine.address.clear();
  mine.port = 0;
  Announced stranger{"a", {}, {}, true, std::nullopt, {}, 0};
  stranger.nearby = Nearby::kLinked;
  EXPECT_FALSE(match(stranger, {&mine, 1}));
  stranger.rid = rid_of(mine);
  EXPECT_TRUE(match(stranger, {&mine, 1}));
}

TEST(Neighbours, NeitherResetNorUnboundDevicesAreKnown) {
  auto mine = bound(1, "Kitchen");
  auto service = announced("a", "Kitchen");
  service.rid = rid_of(mine);
  mine.reset = true;
  EXPECT_FALSE(match(service, {&mine, 1}));
  mine.reset = false;
  mine.bound_at = {};
  EXPECT_FALSE(match(service, {&mine, 1}));
}

TEST(Neighbours, WarnsOfANameLikeAKnownDevices) {
  const auto mine = bound(1, "Kitchen Cache");
  Neighbours neighbours(std::nullopt);
  EXPECT_TRUE(neighbours.seen(announced("a", "kitchen cache"), {&mine, 1})->same_name);
  EXPECT_TRUE(neighbours.seen(announced("b", "K\xd1\x96tchen Cache"), {&mine, 1})->same_name);
  EXPECT_FALSE(neighbours.seen(announced("c", "Attic"), {&mine, 1})->same_name);
  auto real = announced("d", "Kitchen Cache");
  real.rid = rid_of(mine);
  const auto shown = neighbours.seen(real, {&mine, 1});
  EXPECT_FALSE(shown->same_name);
  EXPECT_TRUE(shown->known);
  EXPECT_EQ(shown->model, "M1");
}

TEST(Neighbours, TellsOfChangesUnderOneKey) {
  Neighbours neighbours("media-cache");
  auto service = announced("a", "Attic");
  const auto first = neighbours.seen(service, {});
  ASSERT_TRUE(first);
  EXPECT_FALSE(neighbours.seen(service, {})) << "nothing changed";
  service.window_open = false;
  const auto second = neighbours.seen(service, {});
  ASSERT_TRUE(second);
  EXPECT_EQ(first->key, second->key);
  EXPECT_EQ(neighbours.service({first->key}), "a");
  service.type = "nas";
  service.service = "b";
  EXPECT_FALSE(neighbours.seen(service, {})) << "another type than asked for";
  EXPECT_EQ(neighbours.lost("a", {})->key, first->key);
  EXPECT_FALSE(neighbours.lost("a", {}));
  EXPECT_FALSE(neighbours.service({first->key}));
}

Announced nearby(const std::string& service, const ByteArray<12>& rid) {
  Announced announced;
  announced.service = service;
  announced.window_open = true;
  announced.rid = rid;
  announced.nearby = Nearby::kLinked;
  return announced;
}

TEST(Neighbours, FoundInTheNetworkAndNearbyIsOneDevice) {
  const ByteArray<12> rid{9, 9};
  auto service = announced("n", "Attic");
  service.rid = rid;
  for (const bool network_first : {true, false}) {
    Neighbours neighbours("media-cache");
    const auto first = neighbours.seen(network_first ? service : nearby("b", rid), {});
    const auto second = neighbours.seen(network_first ? nearby("b", rid) : service, {});
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->key, second->key);
    EXPECT_EQ(second->name, "Attic");
    EXPECT_EQ(second->nearby, Nearby::kLinked);
    EXPECT_EQ(neighbours.service({first->key}), "n") << "the network is the faster way";
    // Its rid changes every hour, in both places, and not at the same moment.
    auto renewed = service;
    renewed.rid = ByteArray<12>{8};
    renewed.window_open = false;
    EXPECT_EQ(neighbours.seen(renewed, {})->key, first->key);
    const auto gone = neighbours.lost("n", {});
    ASSERT_TRUE(gone && gone->still);
    EXPECT_EQ(gone->still->key, first->key);
    EXPECT_EQ(gone->still->name, "") << "nearby it does not say";
    EXPECT_EQ(neighbours.service({first->key}), "b");
    EXPECT_FALSE(neighbours.lost("b", {})->still);
    EXPECT_FALSE(neighbours.service({first->key}));
  }
  Neighbours others(std::nullopt);
  EXPECT_NE(others.seen(service, {})->key, others.seen(nearby("b", ByteArray<12>{7}), {})->key);
  EXPECT_NE(others.seen(announced("x", "One"), {})->key,
            others.seen(announced("y", "Two"), {})->key)
      << "two in the network are two, whatever they say of themselves";
}

// Whoever is near enough to hear a rid can send it, too.
TEST(Neighbours, Row42ACopiedRidTakesNoDevicesPlace) {
  const ByteArray<12> rid{9, 9};
  auto service = announced("network", "Attic");
  service.rid = rid;
  Neighbours at_home("media-cache");
  const auto attic = at_home.seen(service, {});
  at_home.seen(nearby("real", rid), {});
  at_home.seen(nearby("copy", rid), {});
  ASSERT_TRUE(attic);
  EXPECT_EQ(at_home.service({attic->key}), "network") << "whoever copies it is not asked";
  const auto after = at_home.lost("copy", {});
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->still) << "nothing of what is shown came from the copy";  // the key is in use
  EXPECT_EQ(at_home.service({attic->key}), "network");

  // Where no network tells them apart there are two, and the one that is chosen is the one that is
  // asked.
  Neighbours nowhere("media-cache");
  const auto real = nowhere.seen(nearby("real", rid), {});
  const auto copy = nowhere.seen(nearby("copy", rid), {});
  ASSERT_TRUE(real && copy);
  EXPECT_NE(real->key, copy->key);
  EXPECT_EQ(nowhere.service({real->key}), "real");
  EXPECT_EQ(nowhere.service({copy->key}), "copy");
  // Of a device that is known, likewise; to be known is to be offered without a code, and what
  // answers has to have the key that was pinned.
  const auto mine = bound(1, "Kitchen");
  Neighbours known("media-cache");
  const auto first = known.seen(nearby("real", rid_of(mine)), {&mine, 1});
  const auto second = known.seen(nearby("copy", rid_of(mine)), {&mine, 1});
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->key, second->key);
  EXPECT_EQ(known.service({first->key}), "real");
}

// A responder may still have what was said before the window opened: that it is one device shows
// only when it says the same.
TEST(Neighbours, WhatTurnsOutToBeOneDeviceLaterIsOneDeviceThen) {
  for (const bool network_first : {true, false}) {
    Neighbours neighbours("media-cache");
    auto stale = announced("one", "Cache");
    stale.rid = ByteArray<12>{7};
    auto new_word = stale;
    new_word.rid = ByteArray<12>{9};
    const auto near = nearby("near", ByteArray<12>{9});

    const auto first = neighbours.seen(network_first ? stale : near, {});
    const auto second = neighbours.seen(network_first ? near : stale, {});
    ASSERT_TRUE(first && second);
    EXPECT_NE(first->key, second->key);
    EXPECT_TRUE(neighbours.take_merged().empty());

    const std::string of_network = network_first ? first->key : second->key;
    const std::string of_radio = network_first ? second->key : first->key;
    const auto one = neighbours.seen(new_word, {});
    ASSERT_TRUE(one);
    EXPECT_EQ(one->key, of_radio);
    EXPECT_EQ(one->name, "Cache");
    EXPECT_EQ(one->nearby, Nearby::kLinked);
    const auto merged = neighbours.take_merged();
    ASSERT_EQ(merged.size(), 1U);
    EXPECT_EQ(merged[0].key, of_network);
    EXPECT_EQ(merged[0].into, of_radio);
    EXPECT_TRUE(neighbours.take_merged().empty()) << "told once";
    // Either key leads to the network's way, also for who has not heard of it yet.
    EXPECT_EQ(neighbours.service({of_network}), "one");
    EXPECT_EQ(neighbours.service({of_radio}), "one");

    const auto gone = neighbours.lost("near", {});
    ASSERT_TRUE(gone && gone->still);
    EXPECT_EQ(gone->still->nearby, Nearby::kNo);
    EXPECT_EQ(neighbours.service({of_network}), "one");
  }
}

TEST(Neighbours, AKnownDeviceNearbyIsNamedAsItIsKnown) {
  const auto mine = bound(1, "Kitchen");
  Neighbours neighbours("media-cache");
  const auto found = neighbours.seen(nearby("b", rid_of(mine)), {&mine, 1});
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->known);
  EXPECT_EQ(found->name, "Kitchen");
  EXPECT_EQ(found->type, "media-cache");
  // The same device by another rid of its own, in the network.
  auto service = announced("n", "Kitchen");
  ByteArray<12> other{4, 3, 2, 1};
  const auto mac =
      crypto::hmac_sha256(mine.discovery_key, {as_bytes("rid"), ByteSpan(other).first(4)});
  std::copy_n(mac.begin(), 8, other.begin() + 4);
  service.rid = other;
  EXPECT_FALSE(neighbours.seen(service, {&mine, 1})) << "shown already";
  EXPECT_EQ(neighbours.service({found->key}), "n");
}

TEST(Neighbours, WhatSaysNothingOfItselfIsTakenForWhatIsLookedFor) {
  Neighbours wanted("nas");
  const auto found = wanted.seen(nearby("b", ByteArray<12>{1}), {});
  EXPECT_EQ(found->type, "nas");
  EXPECT_EQ(found->name, "");
  Neighbours any(std::nullopt);
  EXPECT_EQ(any.seen(nearby("b", ByteArray<12>{1}), {})->type, kUnknownType);
}

TEST(Neighbours, ASignalIsToldInStepsAndChangesNothingElse) {
  EXPECT_EQ(signal_of(-127), 0);
  EXPECT_EQ(signal_of(-79), 1);
  EXPECT_EQ(signal_of(-61), 2);
  EXPECT_EQ(signal_of(-50), 4);
  EXPECT_EQ(signal_of(20), 4);
  Neighbours neighbours("media-cache");
  auto seen = nearby("b", ByteArray<12>{1});
  const auto unheard = neighbours.seen(seen, {});
  EXPECT_FALSE(unheard->signal);
  seen.signal = signal_of(-61);
  auto expected = *unheard;
  expected.signal = 2;
  EXPECT_EQ(neighbours.seen(seen, {}), expected);
  seen.signal = signal_of(-62);
  EXPECT_FALSE(neighbours.seen(seen, {})) << "the same step";
  EXPECT_FALSE(expected.known) << "near is not known";
}

TEST(Neighbours, AFloodIsBounded) {
  Neighbours neighbours(std::nullopt);
  std::size_t told = 0;
  for (int i = 0; i < 5000; ++i) {
    told += neighbours.seen(announced("s" + std::to_string(i), "x"), {}) ? 1U : 0U;
  }
  EXPECT_EQ(told, kMaxNeighbours);
}

}  // namespace
}  // namespace latchkey::agent
