/* SPDX-License-Identifier: MIT */
/*
 * A module in C++: it throws and catches, has constructors and destructors, and hands
 * neither exceptions nor C++ types to its callers.
 */
#include "host.h"

#include <umod/author.h>

#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

class Ledger {
public:
	Ledger() { host_say("ledger: opened"); }
	~Ledger() { host_say("ledger: closed with %zu accounts", accounts.size()); }

	/* "NAME AMOUNT"; throws what is wrong with it. */
	long post(const std::string &line)
	{
		std::size_t blank = line.find(' '), end = 0;
		if (blank == std::string::npos || blank == 0)
			throw std::invalid_argument("no account in '" + line + "'");
		std::string amount = line.substr(blank + 1);
		long value = std::stol(amount, &end); /* throws too */
		if (end != amount.size())
			throw std::invalid_argument("no amount: '" + amount + "'");
		long &account = accounts[line.substr(0, blank)];
		if (account + value < limit)
			throw std::out_of_range("overdrawn");
		return account += value;
	}

	static int limit;

private:
	std::map<std::string, long> accounts;
};

int Ledger::limit = -100;
std::unique_ptr<Ledger> ledger;

} // namespace

UMOD_PARAM_NAMED(limit, Ledger::limit, int, 0644);
UMOD_PARAM_DESC(limit, "how far an account may be overdrawn");

extern "C" {

/* The balance; or -1 with the reason in @error. */
long ledger_post(const char *line, char *error, unsigned bytes);
long ledger_post(const char *line, char *error, unsigned bytes)
{
	try {
		if (!ledger)
			ledger.reset(new Ledger);
		return ledger->post(line);
	} catch (const std::out_of_range &e) {
		std::snprintf(error, bytes, "refused: %s", e.what());
	} catch (const std::exception &e) {
		std::snprintf(error, bytes, "not understood: %s", e.what());
	}
	return -1;
}

static int ledger_init(void)
{
	try {
		ledger.reset(new Ledger);
	} catch (...) {
		return -12; /* ENOMEM */
	}
	return 0;
}

static void ledger_exit(void)
{
	ledger.reset();
}
}

UMOD_EXPORT_SYMBOL(ledger_post);
UMOD_MODULE(ledger, ledger_init, ledger_exit);
UMOD_LICENSE("MIT");
UMOD_DESCRIPTION("Accounts, in C++ with exceptions");
