/* SPDX-License-Identifier: MIT */
/* A module in the kernel's own words. */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

struct operations {
	struct module *owner;
	int (*open)(void);
};

static int count = 1;
static char *whom = "world";
static bool loud;
static int values[3], value_count;
module_param(count, int, 0644);
MODULE_PARM_DESC(count, "How many times");
module_param(whom, charp, 0444);
module_param_named(shout, loud, bool, 0644);
module_param_array(values, int, (unsigned int *)&value_count, 0);

static int open_it(void)
{
	return count;
}

static struct operations operations = { .owner = THIS_MODULE, .open = open_it };

int hello_count(void)
{
	return operations.open();
}
EXPORT_SYMBOL_GPL(hello_count);

static int set_level(const char *value, const struct kernel_param *kp)
{
	*(int *)kp->arg = value[0];
	return 0;
}

static const struct kernel_param_ops level_ops = { .set = set_level };
static int level;
module_param_cb(level, &level_ops, &level, 0200);

static int __init hello_init(void)
{
	printk(KERN_INFO "hello %s\n", whom);
	pr_info("hello %d\n", count);
	pr_debug("not told\n");
	return values[0] || value_count || loud ? -EINVAL : 0;
}

static void __exit hello_exit(void)
{
	pr_info("goodbye\n");
}

module_init(hello_init);
module_exit(hello_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("Somebody");
MODULE_DESCRIPTION("Says hello");
MODULE_ALIAS("hello-*");
MODULE_SOFTDEP("pre: first");
MODULE_IMPORT_NS("HELLO");
MODULE_INFO(intree, "Y");
