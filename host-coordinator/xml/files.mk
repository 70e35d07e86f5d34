COORD_SRC += $(addprefix host-coordinator/xml/, domain_xml.c by_path.c tree.c domain_rewrite.c \
	rewrite_system.c rewrite_disks.c rewrite_devices.c rewrite_chardevs.c rewrite_pci.c)
