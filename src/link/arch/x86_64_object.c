/* SPDX-License-Identifier: MIT */
/*
 * x86-64: the relocations of object files (psABI 1.0, table 4.9), in two passes: what
 * they need of the GOT and of stubs, then their values. Knows no classes and no scopes.
 */
#include "link/object/internal.h"

const uint32_t link_arch_object_word = R_X86_64_GLOB_DAT;

/* What a type asks for, and how many bytes it writes. */
enum need {
	NEED_UNKNOWN, /* of no object file's, or of none at all */
	NEED_NOTHING,
	NEED_CALL, /* in reach, or a stub */
	NEED_LOW,  /* an address of 32 bits, or a stub */
	NEED_WORD, /* an address of 64 bits */
	NEED_GOT,  /* a word of the GOT */
	NEED_GOT_BASE,
	NEED_GOT_RELAXED, /* one, unless the instruction can be changed */
	NEED_PAIR,
	NEED_MODULE,
	NEED_OFFSET,
	NEED_DESCRIPTOR,
	NEED_STATIC,
	NEED_TLS, /* an offset in the module's storage */
};

static const struct {
	uint8_t need, bytes;
} types[] = {
	[R_X86_64_NONE] = { NEED_NOTHING, 0 },
	[R_X86_64_64] = { NEED_WORD, 8 },
	[R_X86_64_PC32] = { NEED_CALL, 4 },
	[R_X86_64_PLT32] = { NEED_CALL, 4 },
	[R_X86_64_GOTPCREL] = { NEED_GOT, 4 },
	[R_X86_64_32] = { NEED_LOW, 4 },
	[R_X86_64_32S] = { NEED_LOW, 4 },
	[R_X86_64_16] = { NEED_NOTHING, 2 },
	[R_X86_64_PC16] = { NEED_NOTHING, 2 },
	[R_X86_64_8] = { NEED_NOTHING, 1 },
	[R_X86_64_PC8] = { NEED_NOTHING, 1 },
	[R_X86_64_DTPOFF64] = { NEED_TLS, 8 },
	[R_X86_64_TPOFF64] = { NEED_STATIC, 8 },
	[R_X86_64_TLSGD] = { NEED_PAIR, 4 },
	[R_X86_64_TLSLD] = { NEED_MODULE, 4 },
	[R_X86_64_DTPOFF32] = { NEED_TLS, 4 },
	[R_X86_64_GOTTPOFF] = { NEED_OFFSET, 4 },
	[R_X86_64_TPOFF32] = { NEED_STATIC, 4 },
	[R_X86_64_PC64] = { NEED_WORD, 8 },
	[R_X86_64_GOTOFF64] = { NEED_WORD, 8 },
	[R_X86_64_GOTPC32] = { NEED_GOT_BASE, 4 },
	[R_X86_64_GOT64] = { NEED_GOT, 8 },
	[R_X86_64_GOTPCREL64] = { NEED_GOT, 8 },
	[R_X86_64_GOTPC64] = { NEED_GOT_BASE, 8 },
	[R_X86_64_GOTPLT64] = { NEED_GOT, 8 },
	[R_X86_64_PLTOFF64] = { NEED_WORD, 8 },
	[R_X86_64_SIZE32] = { NEED_NOTHING, 4 },
	[R_X86_64_SIZE64] = { NEED_NOTHING, 8 },
	[R_X86_64_GOTPC32_TLSDESC] = { NEED_DESCRIPTOR, 4 },
	[R_X86_64_TLSDESC_CALL] = { NEED_NOTHING, 0 },
	[R_X86_64_GOTPCRELX] = { NEED_GOT_RELAXED, 4 },
	[R_X86_64_REX_GOTPCRELX] = { NEED_GOT_RELAXED, 4 },
};

/* The type's need, after the checks that every relocation has to pass; -errno. */
static int check(const struct object_place *place, const Elf64_Rela *rela)
{
	uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
	if (type >= base_array_count(types) || types[type].need == NEED_UNKNOWN)
		return object_reloc_failed(place, rela, -ENOTSUP,
			type < link_arch_reloc_count
				? "a relocation for linked files only"
				: "r_info: not a relocation that umod knows");
	if (!base_range_fits(rela->r_offset, types[type].bytes, place->section->bytes))
		return object_reloc_failed(
			place, rela, -ELIBBAD, "r_offset lies outside its section");
	if (ELF64_R_SYM(rela->r_info) >= place->object->table.count &&
		ELF64_R_SYM(rela->r_info) != 0)
		return object_reloc_failed(
			place, rela, -ELIBBAD, "r_info: there is no such symbol");
	return types[type].need;
}

/* ---- the first pass ---- */

enum relaxed { RELAX_NOT, RELAX_LEA, RELAX_CALL, RELAX_JUMP };

/*
 * Whether the instruction whose displacement lies at @offset of @bytes can do without the
 * GOT (psABI, "Optimize GOTPCRELX Relocations"): mov becomes lea, a call or a jump
 * through the GOT a plain one. Tests and arithmetic stay, since they rarely occur.
 */
static enum relaxed relaxes(const uint8_t *bytes, const Elf64_Rela *rela)
{
	uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
	uint64_t offset = rela->r_offset;
	if (rela->r_addend != -4 || offset < 3 || type == R_X86_64_GOTPCREL)
		return RELAX_NOT;
	uint8_t opcode = bytes[offset - 2], operand = bytes[offset - 1];
	if (opcode == 0x8b && (operand & 0xc7) == 0x05)
		return RELAX_LEA;
	if (type == R_X86_64_REX_GOTPCRELX || opcode != 0xff)
		return RELAX_NOT;
	return operand == 0x15 ? RELAX_CALL : operand == 0x25 ? RELAX_JUMP : RELAX_NOT;
}

static int scan_tls(struct object_place *place, const Elf64_Rela *rela, enum need need)
{
	struct link_object *object = place->object;
	uint32_t index = (uint32_t)ELF64_R_SYM(rela->r_info);
	const struct object_symbol *symbol = &object->symbols[index];
	if (need == NEED_MODULE) {
		object->module_pair = 1;
		return 0;
	}
	if (symbol->kind == OBJECT_GONE)
		return 0;
	if (symbol->kind != OBJECT_TLS && symbol->kind != OBJECT_UNDEFINED)
		return object_reloc_failed(place, rela, -ELIBBAD,
			"thread-local access to what is not thread-local");
	if (need == NEED_STATIC && symbol->kind == OBJECT_TLS) {
		object->needs_static_tls = true;
		return 0;
	}
	if (need == NEED_TLS)
		return symbol->kind == OBJECT_TLS
			       ? 0
			       : object_reloc_failed(place, rela, -ELIBBAD,
					 "local-dynamic access to a variable that "
					 "another object defines");
	struct object_tls *tls = object_tls_of(object, index);
	if (!tls)
		return object_reloc_failed(place, rela, -ENOMEM, "no memory");
	tls->pair |= need == NEED_PAIR;
	tls->offset |= need == NEED_OFFSET;
	tls->descriptor |= need == NEED_DESCRIPTOR;
	tls->is_static |= need == NEED_STATIC;
	return 0;
}

static int scan_one(struct object_place *place, const Elf64_Rela *rela)
{
	struct link_object *object = place->object;
	int need = check(place, rela);
	struct object_symbol *symbol = &object->symbols[ELF64_R_SYM(rela->r_info)];
	if (need < 0)
		return need;
	switch ((enum need)need) {
	case NEED_LOW:
		object->needs_low |= symbol->kind != OBJECT_ABSOLUTE;
		return 0;
	case NEED_GOT_RELAXED:
		if (symbol->is_near && relaxes(place->section->data, rela))
			return 0;
		__attribute__((fallthrough));
	case NEED_GOT:
		symbol->needs |= OBJECT_NEEDS_GOT;
		return 0;
	case NEED_PAIR:
	case NEED_MODULE:
	case NEED_OFFSET:
	case NEED_DESCRIPTOR:
	case NEED_STATIC:
	case NEED_TLS:
		return scan_tls(place, rela, (enum need)need);
	default:
		return 0;
	}
}

int link_arch_object_scan(struct object_place *place)
{
	int result = 0;
	for (uint64_t i = 0; !result && i < place->relocations.count; i++) {
		Elf64_Rela rela;
		elf_relocation_read(&place->relocations, i, &rela);
		/* Undefined symbols and indirect functions have their stubs already. */
		uint32_t type = (uint32_t)ELF64_R_TYPE(rela.r_info);
		if (type != R_X86_64_PC32 && type != R_X86_64_PLT32 &&
			type != R_X86_64_64)
			result = scan_one(place, &rela);
	}
	return result;
}

void link_arch_object_stub(void *at, uint64_t address, uint64_t slot)
{
	uint8_t *code = at;
	uint32_t distance = (uint32_t)(slot - (address + 6));
	/* jmp *slot(%rip); int3; int3 */
	code[0] = 0xff;
	code[1] = 0x25;
	memcpy(code + 2, &distance, sizeof(distance));
	code[6] = code[7] = 0xcc;
}

/* ---- the second pass ---- */

/* One relocation, with what it means: psABI's names. */
struct fixup {
	uint8_t *at;
	uint64_t p, s, a;
	const struct object_symbol *symbol;
	struct object_tls *tls; /* or NULL */
};

static int out_of_reach(const struct object_place *place, const Elf64_Rela *rela)
{
	return object_reloc_failed(place, rela, -ERANGE,
		"the target is out of this relocation's reach; compile with -fPIC");
}

static bool fits_signed(uint64_t value, unsigned bits)
{
	int64_t v = (int64_t)value;
	return v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << (bits - 1);
}

static bool fits_either(uint64_t value, unsigned bits)
{
	return fits_signed(value, bits) || value < (uint64_t)1 << bits;
}

static void put32(uint8_t *at, uint64_t value)
{
	uint32_t word = (uint32_t)value;
	memcpy(at, &word, sizeof(word));
}

/* Whether the four bytes at @at, in code, are where a call or a jump leads. */
static bool is_branch(const struct object_place *place, const Elf64_Rela *rela)
{
	const uint8_t *bytes = place->section->data;
	uint64_t offset = rela->r_offset;
	if (place->section->class != LINK_OBJECT_TEXT &&
		place->section->class != LINK_OBJECT_INIT_TEXT)
		return false;
	if (offset >= 1 && (bytes[offset - 1] & 0xfe) == 0xe8)
		return true;
	return offset >= 2 && bytes[offset - 2] == 0x0f &&
	       (bytes[offset - 1] & 0xf0) == 0x80;
}

/* A stub stands for a function: for a call, or where its very address is meant. */
static bool stub_will_do(const struct object_place *place, const Elf64_Rela *rela,
	const struct object_symbol *symbol)
{
	uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
	if (!symbol->stub)
		return false;
	if (type == R_X86_64_PLT32)
		return true;
	if (type == R_X86_64_PC32)
		return (rela->r_addend == -4 && is_branch(place, rela)) ||
		       (symbol->is_function &&
			       (rela->r_addend == 0 || rela->r_addend == -4));
	return symbol->is_function && rela->r_addend == 0;
}

static int apply_near(
	const struct object_place *place, const Elf64_Rela *rela, const struct fixup *f)
{
	uint64_t value = f->s + f->a - f->p;
	if (base_unlikely(!fits_signed(value, 32))) {
		if (stub_will_do(place, rela, f->symbol))
			value = object_stub(place, f->symbol->stub) + f->a - f->p;
		/* A weak function that is not there is never called. */
		if (!fits_signed(value, 32))
			return out_of_reach(place, rela);
	}
	put32(f->at, value);
	return 0;
}

static int apply_low(
	const struct object_place *place, const Elf64_Rela *rela, const struct fixup *f)
{
	bool is_signed = ELF64_R_TYPE(rela->r_info) == R_X86_64_32S;
	uint64_t value = f->s + f->a;
	bool fits = is_signed ? fits_signed(value, 32) : value <= UINT32_MAX;
	if (!fits && stub_will_do(place, rela, f->symbol)) {
		value = object_stub(place, f->symbol->stub);
		fits = is_signed ? fits_signed(value, 32) : value <= UINT32_MAX;
	}
	if (!fits)
		return out_of_reach(place, rela);
	put32(f->at, value);
	return 0;
}

/* What lies in the image was found not to need the GOT; others may turn out so. */
static int apply_relaxed(
	const struct object_place *place, const Elf64_Rela *rela, const struct fixup *f)
{
	enum relaxed how = relaxes(place->section->data, rela);
	uint64_t value = f->s + f->a - f->p;
	if (how == RELAX_NOT || f->symbol->is_deferred || !fits_signed(value, 32) ||
		!fits_signed(value + 1, 32)) {
		if (!f->symbol->got)
			return object_reloc_failed(place, rela, -ELIBBAD,
				"there is no word of the GOT for it");
		put32(f->at, object_got(place, f->symbol->got) + f->a - f->p);
		return 0;
	}
	if (how == RELAX_LEA) {
		f->at[-2] = 0x8d;
	} else if (how == RELAX_CALL) {
		f->at[-2] = 0x67; /* addr32, a prefix without effect */
		f->at[-1] = 0xe8;
	} else {
		f->at[-2] = 0xe9;
		put32(f->at - 1, value + 1);
		f->at[3] = 0x90;
		return 0;
	}
	put32(f->at, value);
	return 0;
}

static int apply_got(
	const struct object_place *place, const Elf64_Rela *rela, const struct fixup *f)
{
	uint64_t base = place->image->bias + place->object->got_vaddr;
	if (!f->symbol->got)
		return object_reloc_failed(
			place, rela, -ELIBBAD, "there is no word of the GOT for it");
	uint64_t word = object_got(place, f->symbol->got);
	switch (ELF64_R_TYPE(rela->r_info)) {
	case R_X86_64_GOTPCREL:
		put32(f->at, word + f->a - f->p);
		return 0;
	case R_X86_64_GOTPCREL64:
		link_put64(f->at, word + f->a - f->p);
		return 0;
	default: /* GOT64, GOTPLT64 */
		link_put64(f->at, word - base + f->a);
		return 0;
	}
}

static int apply_tls(
	const struct object_place *place, const Elf64_Rela *rela, const struct fixup *f)
{
	uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
	const struct link_image *image = f->tls ? f->tls->image : place->image;
	uint64_t value = f->s + f->a;
	uint32_t word = 0;
	switch (type) {
	case R_X86_64_TLSLD:
		word = place->object->module_pair;
		break;
	case R_X86_64_TLSGD:
		word = f->tls ? f->tls->pair : 0;
		break;
	case R_X86_64_GOTTPOFF:
		word = f->tls ? f->tls->offset : 0;
		break;
	case R_X86_64_GOTPC32_TLSDESC:
		word = f->tls ? f->tls->descriptor : 0;
		break;
	case R_X86_64_TPOFF32:
	case R_X86_64_TPOFF64:
		value += image ? (uint64_t)image->tls_offset : 0;
		break;
	default: /* DTPOFF32, DTPOFF64 */
		break;
	}
	if (word) {
		put32(f->at, object_got(place, word) + f->a - f->p);
		return 0;
	}
	if (types[type].bytes == 8) {
		link_put64(f->at, value);
		return 0;
	}
	if (!fits_signed(value, 32) ||
		(type != R_X86_64_TPOFF32 && type != R_X86_64_DTPOFF32))
		return out_of_reach(place, rela);
	put32(f->at, value);
	return 0;
}

static int apply_small(
	const struct object_place *place, const Elf64_Rela *rela, const struct fixup *f)
{
	uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
	bool relative = type == R_X86_64_PC16 || type == R_X86_64_PC8;
	uint64_t value = f->s + f->a - (relative ? f->p : 0);
	unsigned bits = 8u * types[type].bytes;
	if (relative ? !fits_signed(value, bits) : !fits_either(value, bits))
		return out_of_reach(place, rela);
	memcpy(f->at, &value, bits / 8);
	return 0;
}

static int apply_size(
	const struct object_place *place, const Elf64_Rela *rela, const struct fixup *f)
{
	Elf64_Sym symbol;
	uint64_t value = f->a;
	if (place->object->table.count) {
		elf_symbol_read(
			&place->object->table, ELF64_R_SYM(rela->r_info), &symbol);
		value += symbol.st_size;
	}
	if (ELF64_R_TYPE(rela->r_info) == R_X86_64_SIZE64)
		link_put64(f->at, value);
	else if (!fits_either(value, 32))
		return out_of_reach(place, rela);
	else
		put32(f->at, value);
	return 0;
}

static int apply_word(
	const struct object_place *place, const Elf64_Rela *rela, const struct fixup *f)
{
	uint64_t base = place->image->bias + place->object->got_vaddr;
	switch (ELF64_R_TYPE(rela->r_info)) {
	case R_X86_64_64:
		link_put64(f->at, f->s + f->a);
		return 0;
	case R_X86_64_PC64:
		link_put64(f->at, f->s + f->a - f->p);
		return 0;
	case R_X86_64_GOTPC64:
		link_put64(f->at, base + f->a - f->p);
		return 0;
	case R_X86_64_GOTPC32:
		put32(f->at, base + f->a - f->p);
		return 0;
	default: /* GOTOFF64, PLTOFF64 */
		link_put64(f->at, f->s + f->a - base);
		return 0;
	}
}

/* A relocation that means nothing here: of what is not loaded, or of no kind. */
static int apply_without_symbol(
	const struct object_place *place, const Elf64_Rela *rela, const struct fixup *f)
{
	unsigned bytes = types[ELF64_R_TYPE(rela->r_info)].bytes;
	if (f->symbol->kind != OBJECT_GONE)
		return object_reloc_failed(place, rela, -ELIBBAD,
			f->symbol->kind == OBJECT_TLS
				? "an address of what is thread-local"
				: "its symbol is in no section, or of another kind");
	/* As ld does for what it left out of the link. */
	memset(f->at, 0, bytes);
	return 0;
}

static int apply_one(const struct object_place *place, const Elf64_Rela *rela)
{
	struct link_object *object = place->object;
	int need = check(place, rela);
	if (need < 0)
		return need;
	const struct object_symbol *symbol = &object->symbols[ELF64_R_SYM(rela->r_info)];
	uint64_t p = place->image->bias + place->section->vaddr + rela->r_offset;
	const struct fixup f = { (uint8_t *)p, p, symbol->value, (uint64_t)rela->r_addend,
		symbol, symbol->tls ? &object->tls[symbol->tls - 1] : NULL };
	bool for_tls = need >= NEED_PAIR;
	bool is_plain = symbol->kind == OBJECT_HERE || symbol->kind == OBJECT_ABSOLUTE;
	if (need == NEED_NOTHING && types[ELF64_R_TYPE(rela->r_info)].bytes == 0)
		return 0;
	if (base_unlikely(!is_plain) && need != NEED_MODULE && need != NEED_GOT_BASE &&
		!(for_tls && symbol->kind == OBJECT_TLS))
		return apply_without_symbol(place, rela, &f);
	switch ((enum need)need) {
	case NEED_CALL:
		return apply_near(place, rela, &f);
	case NEED_LOW:
		return apply_low(place, rela, &f);
	case NEED_WORD:
	case NEED_GOT_BASE:
		return apply_word(place, rela, &f);
	case NEED_GOT_RELAXED:
		return apply_relaxed(place, rela, &f);
	case NEED_GOT:
		return apply_got(place, rela, &f);
	case NEED_NOTHING:
		return ELF64_R_TYPE(rela->r_info) == R_X86_64_SIZE32 ||
				       ELF64_R_TYPE(rela->r_info) == R_X86_64_SIZE64
			       ? apply_size(place, rela, &f)
			       : apply_small(place, rela, &f);
	default:
		return apply_tls(place, rela, &f);
	}
}

/* The most common, in few instructions. False: apply_one does it, or says why not. */
static inline bool apply_plain(
	const struct object_place *place, const Elf64_Rela *rela, uint64_t start)
{
	const struct link_object *object = place->object;
	uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
	uint64_t index = ELF64_R_SYM(rela->r_info);
	if (index >= object->table.count ||
		object->symbols[index].kind > OBJECT_ABSOLUTE ||
		object->symbols[index].kind == OBJECT_BAD)
		return false;
	uint64_t value = object->symbols[index].value + (uint64_t)rela->r_addend;
	uint64_t at = start + rela->r_offset;
	if (type == R_X86_64_PC32 || type == R_X86_64_PLT32) {
		value -= at;
		if (!base_range_fits(rela->r_offset, 4, place->section->bytes) ||
			!fits_signed(value, 32))
			return false;
		put32((uint8_t *)at, value);
		return true;
	}
	if (type != R_X86_64_64 ||
		!base_range_fits(rela->r_offset, 8, place->section->bytes))
		return false;
	link_put64((void *)at, value);
	return true;
}

int link_arch_object_apply(struct object_place *place)
{
	const uint64_t start = place->image->bias + place->section->vaddr;
	int result = 0;
	for (uint64_t i = 0; !result && i < place->relocations.count; i++) {
		Elf64_Rela rela;
		elf_relocation_read(&place->relocations, i, &rela);
		if (!apply_plain(place, &rela, start))
			result = apply_one(place, &rela);
	}
	place->image->symbolic_done += place->relocations.count;
	return result;
}
